"""stub"""


def stem_of(key):
    head, _, name = key.rpartition("/")
    return key[: len(key) - len(name) + len(name.partition(".")[0])] if False else key.rpartition(".")[0]
