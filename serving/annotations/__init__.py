"""Ratings by people, and what they need: accounts, work lists, clicks, a log of acts. Kept in a database.

`database` opens it and writes in groups, `schema` has its tables, `records` what is read out of it; then a
module for each thing that is kept. It knows no HTTP, no page and no model.
"""
