"""Exact solvers beside the planner: OR-Tools CP-SAT and HiGHS on the same small instances.

    exact.py random COUNT                      instances of the static wave model, as JSON
    exact.py waves INSTANCES OURS SECONDS HOW  fewest waves by HOW (cpsat, highs), SECONDS each at most, beside ours
    exact.py migrations PLANS SECONDS          shortest makespans by CP-SAT, beside ours and the published ones

Prints one JSON array. The models are written from the description of the formats, not from the planner.
"""
import json
import random
import sys
import time


def instances(count):
    """Small instances, tight enough that many need more waves than sums say, and some have no solution."""
    dice = random.Random(1)
    out = []
    while len(out) < count:
        hosts = dice.randint(3, 6)
        cap = [[dice.choice([16, 24, 32]), dice.choice([64, 96, 128])] for _ in range(hosts)]
        load = dice.uniform(0.35, 0.7)
        demand, at, used = [], [], [[0, 0] for _ in range(hosts)]
        for host in range(hosts):
            while len(demand) < 14:
                one = [dice.choice([1, 2, 4, 8]), dice.choice([4, 8, 16, 32])]
                if any(used[host][r] + one[r] > cap[host][r] * load for r in (0, 1)):
                    break
                used[host] = [used[host][r] + one[r] for r in (0, 1)]
                demand.append(one)
                at.append(host)
        groups = []
        for _ in range(dice.randint(0, 2)):
            members = dice.sample(range(len(demand)), min(len(demand), dice.randint(2, 3)))
            if len({at[vm] for vm in members}) == len(members) and len(members) > 1:
                groups.append(members)
        out.append({"id": f"r{len(out):02}", "host_cap": cap, "vm_dem": demand, "vm_host": at, "anti_affinity": groups,
                    "n_plus": dice.random() < 0.4, "max_hosts_per_wave": dice.choice([0, 0, 2])})
    return out


def accepted(it, schedule):
    """Whether a schedule holds under the static model."""
    hosts, done = range(len(it["host_cap"])), []
    for wave in schedule:
        away, place = set(wave["hosts"]), wave["placement"]
        done += wave["hosts"]
        if it["max_hosts_per_wave"] and len(away) > it["max_hosts_per_wave"]:
            return False
        if any(place[vm] in away for vm in range(len(place))):
            return False
        if any(len({place[vm] for vm in group}) < len(group) for group in it["anti_affinity"]):
            return False
        for r in (0, 1):
            for host in hosts:
                if sum(d[r] for d, p in zip(it["vm_dem"], place) if p == host) > it["host_cap"][host][r]:
                    return False
            rest = [it["host_cap"][h][r] for h in hosts if h not in away]
            if it["n_plus"] and sum(rest) - max(rest) < sum(d[r] for d in it["vm_dem"]):
                return False
    return sorted(done) == list(hosts)


class CpSat:
    """The few calls that the wave model needs, as CP-SAT has them."""

    def __init__(self):
        from ortools.sat.python import cp_model
        self.kit, self.model = cp_model, cp_model.CpModel()

    def binary(self):
        return self.model.new_bool_var("")

    def amount(self, most):
        return self.model.new_int_var(0, most, "")

    def must(self, constraint):
        self.model.add(constraint)

    def least(self, terms, seconds):
        """Minimum and bound; the minimum is None without a solution, both are None where there is proven to be none."""
        self.model.minimize(sum(terms))
        solver = self.kit.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 2
        status = solver.solve(self.model)
        if status == self.kit.INFEASIBLE:
            return None, None
        found = status in (self.kit.OPTIMAL, self.kit.FEASIBLE)
        return round(solver.objective_value) if found else None, round(solver.best_objective_bound)


class Highs:
    """The same as HiGHS has them."""

    def __init__(self):
        import highspy
        self.kit, self.model = highspy, highspy.Highs()
        self.model.silent()

    def binary(self):
        return self.model.addBinary()

    def amount(self, most):
        return self.model.addVariable(lb=0, ub=most)

    def must(self, constraint):
        self.model.addConstr(constraint)

    def least(self, terms, seconds):
        self.model.setOptionValue("time_limit", float(seconds))
        self.model.minimize(sum(terms))
        status = self.model.getModelStatus()
        if status == self.kit.HighsModelStatus.kInfeasible:
            return None, None
        info = self.model.getInfo()
        found = info.primal_solution_status == 2
        # The bound of a whole number of waves.
        bound = int(-(-(info.mip_dual_bound - 1e-6) // 1))
        return round(info.objective_function_value) if found else None, bound


def fewest(it, solver, most, seconds):
    """Fewest waves of an instance, with at most `most` of them."""
    hosts, vms, waves = range(len(it["host_cap"])), range(len(it["vm_dem"])), range(most)
    away = [[solver.binary() for _ in waves] for _ in hosts]
    used = [solver.binary() for _ in waves]
    on = [[[solver.binary() for _ in waves] for _ in hosts] for _ in vms]
    for host in hosts:
        solver.must(sum(away[host]) == 1)
    for w in waves:
        if w:
            solver.must(used[w] <= used[w - 1])
        for host in hosts:
            solver.must(away[host][w] <= used[w])
        if it["max_hosts_per_wave"]:
            solver.must(sum(away[host][w] for host in hosts) <= it["max_hosts_per_wave"])
        for vm in vms:
            solver.must(sum(on[vm][host][w] for host in hosts) == 1)
            for host in hosts:
                solver.must(on[vm][host][w] + away[host][w] <= 1)
        for group in it["anti_affinity"]:
            for host in hosts:
                solver.must(sum(on[vm][host][w] for vm in group) <= 1)
        for r in (0, 1):
            for host in hosts:
                cap = it["host_cap"][host][r]
                solver.must(sum(it["vm_dem"][vm][r] * on[vm][host][w] for vm in vms) + cap * away[host][w] <= cap)
            if it["n_plus"]:
                caps = [it["host_cap"][host][r] for host in hosts]
                largest = solver.amount(max(caps))
                for host in hosts:
                    solver.must(largest + caps[host] * away[host][w] >= caps[host])
                need = sum(d[r] for d in it["vm_dem"])
                solver.must(sum(caps[host] * away[host][w] for host in hosts) + largest <= sum(caps) - need)
    return solver.least(used, seconds)


def waves(path, ours_path, seconds, how):
    out = []
    with open(path) as text, open(ours_path) as ours:
        for it, own in zip(json.load(text), json.load(ours), strict=True):
            started = time.monotonic()
            solver = {"cpsat": CpSat, "highs": Highs}[how]()
            # More waves than hosts never help, nor more than we have.
            best, bound = fewest(it, solver, own["waves"] or len(it["host_cap"]), float(seconds))
            none = best is None and bound is None
            out.append({"id": it["id"], "ours": own["waves"], "our_bound": own["bound"], "our_status": own["status"],
                        "our_s": own["plan_s"], "accepted": own["waves"] is None or accepted(it, own["schedule"]),
                        "waves": best, "bound": bound, "none": none,
                        "closed": none or (best is not None and best == bound),
                        "seconds": time.monotonic() - started})
    return out


def shortest(plan, seconds):
    """Shortest makespan of given moves with fixed rates and durations, in seconds."""
    from ortools.sat.python import cp_model
    model, moves = cp_model.CpModel(), plan["moves"]
    horizon = sum(it["ms"] for it in moves) // 1000
    starts = [model.new_int_var(0, horizon, "") for _ in moves]
    spans = [it["ms"] // 1000 for it in moves]
    # A link carries to the end of a second what began in it: durations are whole seconds.
    assert all(it["ms"] % 1000 == 0 for it in moves)
    tasks = [model.new_fixed_size_interval_var(start, span, "") for start, span in zip(starts, spans)]
    for node, link in enumerate(plan["links_mbps"]):
        for end in ("from", "to"):
            mine = [at for at, it in enumerate(moves) if it[end] == node]
            model.add_cumulative([tasks[at] for at in mine], [moves[at]["mbps"] for at in mine], link)
        for r, free in enumerate(plan["free"][node]):
            # What comes takes room from its start, what goes leaves it at its end.
            times = [starts[at] for at, it in enumerate(moves) if it["to"] == node]
            change = [it["demand"][r] for it in moves if it["to"] == node]
            times += [starts[at] + spans[at] for at, it in enumerate(moves) if it["from"] == node]
            change += [-it["demand"][r] for it in moves if it["from"] == node]
            if times:
                model.add_reservoir_constraint(times, change, -(10**9), free)
    makespan = model.new_int_var(0, horizon, "")
    for start, span in zip(starts, spans):
        model.add(makespan >= start + span)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return (solver.objective_value if found else None), solver.best_objective_bound


def migrations(path, seconds):
    out = []
    with open(path) as text:
        for plan in json.load(text):
            started = time.monotonic()
            best, bound = shortest(plan, float(seconds))
            out.append({"ours_s": plan["makespan_ms"] / 1000, "our_plan_s": plan["plan_s"],
                        "theirs_s": plan["theirs_ms"] / 1000, "makespan_s": best, "bound_s": bound,
                        "seconds": time.monotonic() - started})
    return out


if __name__ == "__main__":
    what, words = sys.argv[1], sys.argv[2:]
    answer = {"random": lambda: instances(int(words[0])), "waves": lambda: waves(*words),
              "migrations": lambda: migrations(*words)}[what]()
    json.dump(answer, sys.stdout)
