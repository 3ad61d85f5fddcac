"""What a check of a card comes to. The checks themselves are the files of this folder."""

from zoo.checks import Check as Check
from zoo.checks import Fault as Fault
