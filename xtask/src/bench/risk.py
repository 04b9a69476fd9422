# Plain Monte Carlo of a portfolio (`measure_facts portfolio`): shocks, factor, planes and hosts as the model says.
# Arguments: portfolio, loss to exceed, standard error to reach, seconds at most.
import json, math, sys, time
import numpy as np

with open(sys.argv[1]) as file:
    model = json.load(file)
threshold, target, patience = map(float, sys.argv[2:5])
rng = np.random.default_rng(1)
shocks = np.array(model["shocks"])
exploits, rho = model["exploits"], model["rho"]
host_class = np.array(model["host_class"])
host_cluster = np.array(model["host_cluster"])
count = np.array(model["host_holdings"])
first = np.concatenate([[0], np.cumsum(count)[:-1]])
tenant = np.array(model["holding_tenant"])
worth = np.array(model["holding_worth"]).reshape(-1, 3)
host_worth = np.add.reduceat(worth, first, axis=0)
classes = len(model["classes"])
class_size = np.bincount(host_class, minlength=classes)
class_first = np.concatenate([[0], np.cumsum(class_size)[:-1]])


def quantile(p):
    # Bisection, once for each distinct probability.
    low, high = -40.0, 40.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if 0.5 * math.erfc(-middle / math.sqrt(2)) < p else (low, middle)
    return low


def columns(rows):
    # Responses as arrays, shock by shock: who, probability, gate, multiplier, impact.
    by_shock = {}
    for who, responses in enumerate(rows):
        for shock, p, gate, otherwise, impact in responses:
            by_shock.setdefault(shock, []).append((who, p, gate, otherwise, impact))
    result = {}
    for shock, group in by_shock.items():
        who, p, gate, otherwise, impact = map(np.array, zip(*group))
        distinct, place = np.unique(p, return_inverse=True)
        levels = [quantile(value) if 0 < value < 1 else None for value in distinct]
        result[shock] = (who, distinct, place, levels, gate, otherwise, np.array(impact))
    return result


class_columns = columns([one[0] for one in model["classes"]])
plane_columns = columns([one[0] for one in model["planes"]])
takes = np.array([one[1] for one in model["planes"]])
plane_impact = np.array([one[2] for one in model["planes"]])
plane_hosts = [
    np.flatnonzero(np.isin(host_class, [at for at, one in enumerate(model["classes"]) if plane in one[1]]))
    for plane in range(len(model["planes"]))
]


def hit_probability(columns, shock, z, happens):
    _, distinct, place, levels, gate, otherwise, _ = columns
    if shock < exploits and rho > 0:
        scale = 1 / math.sqrt(1 - rho)
        shifted = [
            p if level is None else 0.5 * math.erfc(-(level - math.sqrt(rho) * z) * scale / math.sqrt(2))
            for p, level in zip(distinct, levels)
        ]
        p = np.array(shifted)[place]
    else:
        p = distinct[place]
    return np.where((gate >= 0) & ~happens[gate], p * otherwise, p)


def stretches(starts, lengths):
    # The numbers of several stretches, one after the other.
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)


def hosts_of(who, p):
    # For each class as many as a binomial says, each set of hosts as likely: drawn again where a host came twice.
    number = rng.binomial(class_size[who], p)
    some = number > 0
    who, number = who[some], number[some]
    owner = np.repeat(np.arange(len(who)), number)
    at = class_first[who][owner] + (rng.random(len(owner)) * class_size[who][owner]).astype(np.int64)
    for _ in range(30):
        order = np.argsort(at, kind="stable")
        twice = np.zeros(len(at), bool)
        twice[order[1:]] = at[order[1:]] == at[order[:-1]]
        if not twice.any():
            return at, owner, who
        again = np.isin(owner, np.unique(owner[twice]))
        at[again] = class_first[who][owner[again]] + (
            rng.random(again.sum()) * class_size[who][owner[again]]
        ).astype(np.int64)
    # Nearly all hosts of a class: an order at random.
    for one in np.unique(owner[twice]):
        mine = owner == one
        at[mine] = class_first[who[one]] + rng.permutation(class_size[who[one]])[: mine.sum()]
    return at, owner, who


impact = np.zeros((len(host_class), 3))
mean_tenants = np.zeros(model["tenants"])
mean_clusters = np.zeros(model["clusters"])


def draw():
    happens = rng.random(len(shocks)) < shocks
    z = rng.standard_normal()
    touched, fallen = [], np.zeros(len(takes), bool)
    for shock in np.flatnonzero(happens):
        if shock in plane_columns:
            columns = plane_columns[shock]
            p = hit_probability(columns, shock, z, happens)
            fallen[columns[0][rng.random(len(p)) < p]] = True
        if shock in class_columns:
            columns = class_columns[shock]
            at, owner, who = hosts_of(columns[0], hit_probability(columns, shock, z, happens))
            if len(at):
                place = np.searchsorted(columns[0], who)[owner]
                impact[at] = np.maximum(impact[at], columns[6][place])
                touched.append(at)
    for plane in np.flatnonzero(fallen):
        at = plane_hosts[plane][rng.random(len(plane_hosts[plane])) < takes[plane]]
        impact[at] = np.maximum(impact[at], plane_impact[plane])
        touched.append(at)
    if not touched:
        return 0.0
    at = np.unique(np.concatenate(touched))
    lost = (host_worth[at] * impact[at]).sum(axis=1)
    mean_clusters.__iadd__(np.bincount(host_cluster[at], lost, model["clusters"]))
    holding = stretches(first[at], count[at])
    of_holdings = (worth[holding] * np.repeat(impact[at], count[at], axis=0)).sum(axis=1)
    mean_tenants.__iadd__(np.bincount(tenant[holding], of_holdings, model["tenants"]))
    impact[at] = 0
    return float(lost.sum())


losses, start = [], time.perf_counter()
while True:
    losses.extend(draw() for _ in range(100))
    seconds = time.perf_counter() - start
    # As many as a plain sample of this probability needs for the error; the probability is known only by its level.
    needed = 0.001 * 0.999 / target**2
    if len(losses) >= needed or seconds >= patience:
        break
losses = np.array(losses)
print(json.dumps({
    "draws": len(losses),
    "seconds": seconds,
    "draws_to_accuracy": needed,
    "seconds_to_accuracy": seconds * max(1.0, needed / len(losses)),
    "exceeded": float((losses > threshold).mean()),
    "mean": float(losses.mean()),
    "mean_error": float(losses.std() / math.sqrt(len(losses))),
}))
