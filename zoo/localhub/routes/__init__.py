"""The Hub's addresses, a file for each group of them."""
