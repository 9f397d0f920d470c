"""The world: what a run keeps, the processes that change it, and a visit from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from copy import copy

import simpy

import recsim as rs

from .behaviour import clicked, found
from .chance import Numbers, Visit
from .clock import BIRTH_PHASE, DAY, DEPLOY_PHASE, RELEASE_PHASE, RETRAIN_PHASE, VISIT_PHASE, visit_times
from .eventlog import ANCHOR, MODEL, ORGANIC, Log, Row, digest, in_order
from .friends import friends_of
from .makers import Makers
from .minds import Mind
from .moments import log_before, speak
from .policies import Feed
from .recommenders import Lesson, Taught, train
from .signals import Signal, signals_of
from .slates import Placed, fill_slate
from .training import Training
from .truth import Truth


class World:
    """The world as of the last change, and what each user has consumed; `run` gives the log that the engine must give."""

    def __init__(self, scenario: rs.Scenario, seed: int) -> None:
        self.scenario, self.numbers = scenario, Numbers(seed)
        self.truth = Truth(scenario, self.numbers)
        self.friends = friends_of(scenario.network, self.truth, scenario.world_seed)
        self.every, self.latency = round(scenario.retrain.every * DAY), round(scenario.retrain.latency * DAY)
        self.horizon = round(scenario.days * DAY)
        self.makers = Makers(scenario, self.numbers)
        self.env = simpy.Environment()
        self.log = Log()
        born = zip(self.truth.interests, self.truth.curiosity, self.truth.since, strict=True)
        self.minds = [Mind(scenario.dynamics, interests, curiosity, since) for interests, curiosity, since in born]
        self.consumed: list[set[int]] = [set() for _ in range(self.truth.users)]
        self.imagined: list[set[int]] = [set() for _ in range(self.truth.users)]
        for place, birth in enumerate(scenario.births):
            if round(birth.day * DAY) == 0:
                self.bear(place, birth)
        self.signals = signals_of(scenario, self.truth.item_address)
        for signal in self.signals:
            signal.before = log_before(self, signal) if signal.replays else []
        nothing, wants = [0] * self.truth.items, [self.wants(user) for user in range(self.truth.users)]
        lesson = Lesson(0, self.before(), nothing, nothing, None, self.truth.come(0), wants)
        self.model = train(scenario.start, lesson, self.truth, self.numbers)

    def run(self) -> Log:
        """Run to the end and return the log."""
        for place, birth in enumerate(self.scenario.births):
            self.env.process(self.being_born(place, birth))
        self.env.process(self.releasing())
        self.env.process(self.retraining())
        for place, signal in enumerate(sorted(self.signals, key=lambda signal: signal.kind != "OrganicLift")):
            self.env.process(self.speaking(place, signal))
        for user in range(self.truth.users):
            self.env.process(self.visiting(user))
        self.env.run()
        self.log.clicks, self.log.impressions = in_order(self.log.clicks), in_order(self.log.impressions)
        self.log.shadow = in_order(self.log.shadow)
        self.log.digest = digest(self.log.clicks, self.log.epochs)
        return self.log

    def at(self, second: int, phase: int, place: int = 0) -> simpy.Event:
        """Return an event that happens at a second; those of the same second happen by phase, then by place."""
        event = simpy.Event(self.env)
        event._ok, event._value = True, None
        self.env.schedule(event, 1000 * phase + place, second - self.env.now)
        return event

    # ------------------------------------------------------------------------------------------------------- processes
    def being_born(self, place: int, birth: rs.Birth) -> Generator[simpy.Event, None, None]:
        """Let a new interest come into the world on its day; what is born at second 0 is there already."""
        if 0 < round(birth.day * DAY) < self.horizon:
            yield self.at(round(birth.day * DAY), BIRTH_PHASE, place)
            self.bear(place, birth)

    def bear(self, place: int, birth: rs.Birth) -> None:
        """Let those who take up a new interest want it; those who come later, when they come."""
        topic = self.truth.topics - len(self.scenario.births) + place
        for mind, address in zip(self.minds, self.truth.address, strict=True):
            if self.numbers.uniform("Birth.takes", address, 0, place) < birth.share:
                mind.take_up(topic, birth.weight)

    def releasing(self) -> Generator[simpy.Event, None, None]:
        """Let items come out when they are due, and get older day by day where they age."""
        days = range(DAY, self.horizon, DAY) if self.truth.half_life < math.inf else []
        seconds = {item.born for item in self.truth.catalogue}.union(days, *self.makers.moments.values())
        for second in sorted(seconds):
            if 0 < second < self.horizon:
                yield self.at(second, RELEASE_PHASE)
                self.decide(second)
                self.truth.stock(second)

    def decide(self, second: int) -> None:
        """Let makers decide what comes out of the items that are due: those that do not leave no gap between the others."""
        catalogue, out = self.truth.catalogue, self.truth.items
        due = [item for item in catalogue[out:] if item.born <= second]
        made = self.makers.decide(second, catalogue[:out], due, self.log)
        self.truth.settle(catalogue[:out] + made + catalogue[out + len(due) :])

    def retraining(self) -> Generator[simpy.Event, None, None]:
        """Train a model at each cut, and deploy it when its latency is over."""
        number = 1
        while number * self.every < self.horizon:
            yield self.at(number * self.every, RETRAIN_PHASE)
            model = train(self.scenario.recommender, self.lesson(number), self.truth, self.numbers)
            if number * self.every + self.latency >= self.horizon:
                return
            yield self.at(number * self.every + self.latency, DEPLOY_PHASE)
            self.model = model
            self.log.epochs += 1
            number += 1

    def speaking(self, place: int, signal: Signal) -> Generator[simpy.Event, None, None]:
        """Let a signal have the moments of its timetable."""
        number = 0
        while signal.has_moments and signal.moment(number) < min(signal.recipe.to_day * DAY, self.horizon):
            yield self.at(signal.moment(number), signal.phase, place)
            speak(self, signal, number)
            number += 1

    def visiting(self, user: int) -> Generator[simpy.Event, None, None]:
        """Let one user come, time and again; while she is away her visits pass."""
        for visit in self.timetable(user, self.horizon):
            yield self.at(visit.second, VISIT_PHASE)
            if self.takes_place(visit):
                self.serve(visit)

    def timetable(self, user: int, until: int) -> Iterator[Visit]:
        """Yield the visits of one user before a second, from her first, as long as her stay is not over."""
        who, since = self.truth.address[user], self.truth.since[user]
        for ordinal, time in enumerate(visit_times(self.scenario.visits, self.numbers, who, self.truth.activity[user])):
            if not since + time < min(until, self.truth.ends[user]):
                return
            yield Visit(self.numbers, who, ordinal, user, math.floor(since + time))

    def takes_place(self, visit: Visit) -> bool:
        """Return whether a visit of the timetable takes place, as far as one can say now."""
        return visit.second >= self.minds[visit.user].away_until

    def is_here(self, user: int) -> bool:
        """Return whether somebody is there now, and not away."""
        return self.truth.is_there(user, int(self.env.now)) and self.env.now >= self.minds[user].away_until

    # -------------------------------------------------------------------------------------------------------- training
    def lesson(self, number: int) -> Lesson:
        """Return what the model of a number learns from: rows of its window, none from after its cut."""
        windows = [rule.last for rule in self.scenario.training if isinstance(rule, rs.Window)]
        first = (number - min(windows)) * self.every if windows else 0
        log = self.log.shadow if self.scenario.open_loop else self.log.clicks
        before_cut = in_order([row for row in log if row.time < number * self.every])
        training = Training.of(number, before_cut, first, self.model, self.numbers, self.truth)
        for rule in self.scenario.training:
            training.follow(rule)
        shown = [row for row in self.log.impressions if first <= row.time < number * self.every]
        return Lesson(
            number,
            training.rows,
            [sum(row.item == item for row in shown) for item in range(self.truth.items)],
            [sum(row.item == item and row.clicked for row in shown) for item in range(self.truth.items)],
            self.model if number > 1 else None,  # `start` may be of another kind: it is not one of those before
            self.truth.come(number * self.every),
            [self.wants(user) for user in range(self.truth.users)],
        )

    def before(self) -> list[Taught]:
        """Return the rows from which the first model learns: the logs from before the loop of replays from day 0 on."""
        signals = [one for one in self.signals if one.replays and one.recipe.from_day == 0]
        pairs = [pair for signal in signals for pair in signal.before]
        return [Taught(-1, -1, -1, user, item, ANCHOR, ANCHOR, 0.0, math.nan, 1.0) for user, item in pairs]

    # --------------------------------------------------------------------------------------------------------- a visit
    def serve(self, visit: Visit) -> None:
        """Serve one visit from top to bottom: she wants the same throughout, and changes at its end."""
        mind = self.minds[visit.user]
        mind.rest(visit.second)
        wants = mind.wants()
        shown, consumed = self.search(visit, wants) if self.is_organic(visit) else self.show(visit, wants)
        self.imagine(visit, wants, len(consumed))
        mind.react(visit, shown, consumed, self.truth)

    def wants(self, user: int) -> list[float]:
        """Return how much of each topic a user wants now, whether she visits or not; she does not change by that."""
        mind = copy(self.minds[user])
        mind.rest(int(self.env.now))
        return mind.wants()

    def is_organic(self, visit: Visit) -> bool:
        """Return whether a visit does without the feed: by its coin, or since a lift with a count has chosen it."""
        chance = self.minds[visit.user].curiosity
        for signal in self.signals:
            chance += signal.lift(visit.second)
        counted = (one for one in self.signals if one.kind == "OrganicLift" and one.recipe.count is not None)
        return visit.uniform("visit.organic") < min(1.0, chance) or any(lift.touches(visit) for lift in counted)

    def search(self, visit: Visit, wants: list[float]) -> tuple[list[int], list[int]]:
        """Let the user find an item without the feed; return what she was shown, nothing, and what she consumed."""
        consumed = self.consumed[visit.user]
        closed = set(consumed) if self.scenario.consumption == "once" else set()
        item = found(self.truth, wants, visit, "organic", lambda item: item not in closed)
        if item is None:
            return [], []
        consumed.add(item)
        self.log.clicks.append(self.row(visit, Placed(item, ORGANIC, math.nan), -1, True))
        return [], [item]

    def imagine(self, visit: Visit, wants: list[float], clicks: int) -> None:
        """Note for each click of a visit what the user would have consumed unsteered: that teaches in place of the click."""
        had = self.imagined[visit.user]
        for n in range(clicks if self.scenario.open_loop else 0):
            closed = set(had) if self.scenario.consumption == "once" else set()
            item = found(self.truth, wants, visit, f"shadow#{n}", lambda item, closed=closed: item not in closed)
            if item is not None:
                had.add(item)
                self.log.shadow.append(self.row(visit, Placed(item, ORGANIC, math.nan), n, False))

    def show(self, visit: Visit, wants: list[float]) -> tuple[list[int], list[int]]:
        """Show the user a slate and log what she clicks; return what she was shown, and what she consumed."""
        consumed = self.consumed[visit.user]
        leaving = set(consumed) if self.scenario.consumed == "leave" else set()
        closed = set(consumed) if self.scenario.consumption == "once" else set()
        picks = {item for signal in self.signals for item in signal.picks}
        truth = self.truth
        by_hand = [item.by_hand for item in truth.catalogue]
        size, items = self.scenario.slate, truth.items
        feed = Feed(self.scenario.policy, self.model, visit, leaving, size, items, picks, truth.about, by_hand, truth.leaves)
        slate = fill_slate(feed, [signal for signal in self.signals if signal.places])
        clicks = clicked(self.scenario.choice, visit, slate, closed, self.truth, wants)
        for position, placed in enumerate(slate):
            row = self.row(visit, placed, position, position in clicks)
            self.log.impressions.append(row)
            if row.clicked:
                consumed.add(placed.item)
                self.log.clicks.append(row)
        return [placed.item for placed in slate], [slate[position].item for position in clicks]

    def row(self, visit: Visit, placed: Placed, position: int, clicked: bool) -> Row:
        """Return a row of the log as of now."""
        item, origin, propensity, via = placed
        known = item < len(self.model.depth)
        depth = (self.model.depth[item] if known else 1.0) if origin == MODEL else 0.0
        time, epoch = int(self.env.now), self.model.number
        return Row(time, epoch, visit.ordinal, visit.user, item, position, origin, propensity, clicked, depth, via)
