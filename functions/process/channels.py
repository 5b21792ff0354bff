"""stub"""


class Split: ...


def split(audio): ...
