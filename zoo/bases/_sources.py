"""Where numbers of several bases were published together. Tables of two sources never compare."""

LINGSHU = "Lingshu, Table 6, arXiv 2506.07044"
HUATUO = "FreedomIntelligence/HuatuoGPT-Vision:README.md@a6476acb"
BENCHMARKING = "Kim et al. 2026, Table 3, arXiv 2601.17918"
