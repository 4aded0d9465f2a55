"""What an installation is made of, before Django: environment, data folder, servers.

`manage.py` asks `prepared()` for the environment that Django's settings read; `up`
asks for the same and keeps the servers. Imports nothing of the project but `embedded`.
"""
