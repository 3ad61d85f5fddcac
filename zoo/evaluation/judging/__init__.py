"""Judges of answers: a language model at an endpoint, or the rules of the lexicon. Knows no metric's formula.

A judge's word is kept as it came, one `Verdict` a line of JSON, in any file; `medzoo score --verdicts` reads
files made elsewhere too. A line holds

- `question_id`, `dataset`, `split`, `adapter`, `shown`: which answer, as in its prediction;
- `answer_sha256`: sha256 of the answer's UTF-8, without which the verdict could be on another one;
- `asked_sha256`: of the prompt, a newline and the truth, without which it could be beside other ones; may be
  left out;
- `task` and `judge`: what was asked of whom. A judge is named with the version of what it was asked, such as
  `gpt-4.1 facts@1`; verdicts of another name are another judge's;
- `reply`: of the task `correct` true or false; of `relevance` {"relevance": 0 to 1}; of `facts` a JSON list
  of labels (Entailment, Partial Entailment, Neutral, Contradiction), one for each of the line's `facts`; of
  `green` text with the sections [Clinically Significant Errors] and [Matched Findings]. Empty where there
  was no reply; then `facts` is the whole truth if it could not be split.

The files in `prompts` are what a language model is asked. A version of `facts` goes with the same version of
`split`, since a verdict's name has but one.
"""
