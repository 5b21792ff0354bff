"""stub"""


def check(settings, key): ...
