"""What the functions share: the domain and the adapters. Nothing here imports a function."""
