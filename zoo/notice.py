"""The one home of the sentence that the command line, every card and every page show."""

NOTICE = "Research software, not a medical device: never for diagnosis or treatment."
