"""Where a checkpoint keeps a network's weights: under which of its keys, and behind which prefix of the names.

Trainers put them at the top or a few dicts down ("model", "state_dict", "ema", ...), and wrappers put words before
every name ("module.", "model.", "_orig_mod.", ...). Both are found by the names that a network is known by, not by a
list of words: whatever holds such a name is a candidate, and one candidate is taken.
"""
from typing import NamedTuple

from weight_files import WHOLE_NETWORK, Failure, Inert, Tensor, show

USUAL_KEYS = ("model", "state_dict", "model_state_dict", "net", "params", "weights")  # of weights with unknown names
WRAPPERS = ("module.", "_orig_mod.")  # DistributedDataParallel's and torch.compile's, which nobody chose
COUNTERS = ("total_ops", "total_params")  # which profilers (thop) register as buffers of every module
DEEPEST = 4
MOST_NAMED = 8  # candidates in a message


class Candidate(NamedTuple):
    """A dict with tensors, and what stands before the names in it."""
    path: tuple
    items: dict
    prefix: str = ""
    others: tuple = ()  # longer prefixes: those of other networks in the same dict

    @property
    def key(self):
        """What --key chooses it by."""
        return ".".join([*map(str, self.path), *([self.prefix[:-1]] if self.prefix else [])]) or "."

    def state(self):
        """Its tensors by the names behind the prefix."""
        return {name[len(self.prefix):]: value for name, value in self.items.items()
                if type(name) is str and type(value) is Tensor and self.has(name)}

    def has(self, name):
        return name.startswith(self.prefix) and not name.startswith(self.others)


def items_of(value):
    return value.items if type(value) is Inert else value if type(value) is dict else {}


def is_optimizer(key):
    return type(key) is not str or key.lower().startswith(("optim", "lr_sched", "sched", "scaler"))


def dicts_of_tensors(content):
    """Every dict with a tensor in it, once, but for an optimiser's; the outer ones first."""
    found, seen, level = [], set(), [((), content)]
    for _ in range(DEEPEST):
        inner = []
        for path, value in level:
            items = items_of(value)
            if id(items) not in seen:
                seen.add(id(items))
                if any(type(item) is Tensor and type(name) is str for name, item in items.items()):
                    found.append(Candidate(path, items))
                inner += [((*path, key), item) for key, item in items.items() if not is_optimizer(key)]
        level = inner
    return found


def some_dicts(content):
    """dicts_of_tensors, of which there must be one."""
    dicts = dicts_of_tensors(content)
    if not dicts and any(type(value) is Inert and value.network for value in (content, *items_of(content).values())):
        raise Failure(WHOLE_NETWORK)
    if not dicts:
        raise Failure("no dict of tensors at the top or under a key")
    return dicts


def prefixes(items, sign):
    """All that stands before `sign` where it ends a name."""
    ends = [name[:-len(sign)] for name, value in items.items()
            if type(name) is str and type(value) is Tensor and name.endswith(sign) and not is_optimizer(name)]
    return sorted(prefix for prefix in ends if prefix == "" or prefix.endswith("."))


def named(candidates, key):
    """Those that `key` names, or all without one."""
    if key is None:
        return candidates
    exact = [c for c in candidates if c.key == key]
    return exact or [c for c in candidates if c.key.startswith(key + ".")]


def there_are(candidates):
    names = [f"'{show(c.key)}'" for c in candidates[:MOST_NAMED]]
    more = f" and {len(candidates) - MOST_NAMED} more" if len(candidates) > MOST_NAMED else ""
    return f"there are {', '.join(names)}{more}"


def the_only(candidates):
    if len(candidates) > 1:
        raise Failure(f"more than one dict of weights: {there_are(candidates)}; --key NAME chooses")
    return candidates[0]


def find_by_sign(content, signs, key):
    """Of a network known by `signs` (layout -> a name in it): its layout and the Candidate. A layout comes before
    those after it, so that a whole network is not taken for its encoder. None where no dict has any of the signs."""
    elsewhere, dicts = [], some_dicts(content)
    for layout, sign in signs.items():
        found = []
        for each in dicts:
            all_prefixes = prefixes(each.items, sign)
            for prefix in all_prefixes:
                others = tuple(p for p in all_prefixes if p != prefix and p.startswith(prefix))
                found.append(each._replace(prefix=prefix, others=others))
        if named(found, key):
            return layout, the_only(named(found, key))
        elsewhere += found
    if key is not None:
        raise Failure(f"no weights under '{show(key)}': {there_are(elsewhere or dicts)}")
    return None


def find_any(content, key):
    """Weights whose names say nothing: the only dict of tensors. Beside one under a usual key, tensors at the top are
    metrics."""
    dicts = some_dicts(content)
    if any(c.path and c.path[0] in USUAL_KEYS for c in dicts):
        dicts = [c for c in dicts if c.path]
    if not named(dicts, key):
        raise Failure(f"no dict of tensors under '{show(key)}': {there_are(dicts)}")
    chosen = the_only(named(dicts, key))
    while wrapper := next((w for w in WRAPPERS if all(str(n).startswith(chosen.prefix + w) for n in chosen.items)), ""):
        chosen = chosen._replace(prefix=chosen.prefix + wrapper)
    return chosen


def beside(content, candidate):
    """The keys that are passed by on the way to the candidate."""
    for depth, key in enumerate(candidate.path):
        for other in items_of(content):
            if other != key:
                yield ".".join(map(str, (*candidate.path[:depth], other)))
        content = items_of(content)[key]


def is_counter(name):
    return type(name) is str and name.split(".")[-1] in COUNTERS
