"""`sam local` on this machine's own AWS: the built functions in containers, as Lambda would run them."""
