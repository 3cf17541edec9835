"""Who may see what: principals, decisions, masks and the guard.

Python states facts, asks the policies, and obeys. Whatever it doesn't understand, it denies.
"""
