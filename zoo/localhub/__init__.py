"""An embedded Hub: the Hub's own HTTP protocol over git repositories and a folder of large files."""
