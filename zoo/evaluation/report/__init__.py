"""Scores for people: tables of one form in four kinds of text, and pictures. Knows no model."""
