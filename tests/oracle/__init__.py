"""The simulation a second time, slowly and to be read: scalars, lists and dicts, one SimPy process a user.

It follows `docs/design.md`, "The arithmetic, to the last bit", and shares no code with the engine but the recipes (which
hold the settings) and the drawing of people and items. `World(scenario, seed).run()` gives the log that the engine must give.

To be read from the top, each module importing only those above it (`moments` is handed the world that it changes):

* `arithmetic`: sums, logarithms and products that must come out the same to the last bit.
* `chance`: random numbers at their addresses, and draws from a catalogue by them.
* `clock`: when people visit, and in which order things happen that share a second.
* `presence`: when new people come, and until when each may stay.
* `releases`: the items that come out while the world goes on.
* `simplex`: topic mixtures, and a law fitted to them.
* `truth`: the people and the items, and what the ones want of the others.
* `friends`: who is a friend of whom.
* `minds`: what each user wants, and how that changes by what she sees and consumes.
* `eventlog`: the rows of the log, its order and its digest.
* `makers`: those who decide on the day what they make, and whether.
* `recommenders`: what a model learns from, and how it ranks.
* `training`: the rules that take, weigh or add the rows a model learns from.
* `posteriors`: what a Thompson sampler believes of click rates.
* `policies`: what of a ranking comes next on a slate, and with what probability.
* `signals`: the human signals, and what they put into slates.
* `slates`: a slate from its top, by a policy and the signals together.
* `behaviour`: what people click, and what they consume where nobody steers them.
* `moments`: what the signals do at the moments of their timetables.
* `world`: the processes of a run, and a visit from top to bottom.
"""

from .chance import philox
from .eventlog import ANCHOR, DTYPES, FRIEND, Row, columns
from .world import World

__all__ = ["ANCHOR", "DTYPES", "FRIEND", "Row", "World", "columns", "philox"]
