#!/usr/bin/env python3
"""Writes a debsecan source for one Debian suite from the changelog facts and the table of security advisories.

usage: source.py RELEASE_HISTORY.jsonl ADVISORIES.csv SUITE OUT_DIR

It shares no code with the matcher: it reads the raw tables, and what it writes follows debsecan's own question
"installed < unstable_version and installed not in other_versions".

unstable_version is where the tracker's note for unstable stands: the first upload to unstable that has the fix. An
upload to experimental reaches unstable with the next upload there, because the changelog goes on. A vulnerability that
several uploads name is closed by the last of them.

other_versions are the versions of the suite that have the fix although they sort before unstable's:
  - from the first to the last upload of the suite (and of its security pocket) at or after the one that names it;
  - `V~debNuM`, which is V rebuilt for the suite: it has everything that V has and sorts before it.

A note of the suite itself overrides what unstable says, as in the tracker ("[bookworm] - qemu ...").

Debian's signed kernels come from a source of their own, linux-signed-ARCH, whose version V+R wraps linux V-R.
"""

import csv
import functools
import json
import os
import re
import sys
import zlib

import apt_pkg

apt_pkg.init()
ORDER = functools.cmp_to_key(apt_pkg.version_compare)
REBUILD = re.compile(r"~deb\d+u\d+$")


def before(a, b):
    return apt_pkg.version_compare(a, b) < 0


def read(history, advisories, suite):
    """Returns uploads of the suite, notes of the suite and of unstable, uploads to unstable; each by source."""
    own, unstable, experimental = {}, {}, {}
    notes_own, notes_unstable, notes_experimental = {}, {}, {}
    pockets = {suite, suite + "-security", suite + "-updates", suite + "-proposed-updates"}
    with open(history, encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["platform"] != "debian":
                continue
            where = entry["distribution"]
            if where in pockets:
                uploads, notes = own, notes_own
            elif where == "unstable":
                uploads, notes = unstable, notes_unstable
            elif where == "experimental":
                uploads, notes = experimental, notes_experimental
            else:
                continue
            source, version = entry["source_package"], entry["version"]
            uploads.setdefault(source, set()).add(version)
            for bug in entry["cves"] + ["XSA-%d" % number for number in entry["xsas"]]:
                notes.setdefault((source, bug), []).append(version)
    with open(advisories, encoding="utf-8", newline="") as table:
        for row in csv.DictReader(table):
            for fixed in row["fixed"].split(";"):
                name, _, version = fixed.strip().partition("=")
                if name != suite or version.startswith("<"):
                    continue
                own.setdefault(row["source"], set()).add(version)
                for bug in row["cves"].split():
                    notes_own.setdefault((row["source"], bug), []).append(version)
    for (source, bug), versions in notes_experimental.items():
        last = max(versions, key=ORDER)
        later = [upload for upload in unstable.get(source, ()) if not before(upload, last)]
        if later and (source, bug) not in notes_unstable:
            notes_unstable[(source, bug)] = [min(later, key=ORDER)]
    return own, notes_own, notes_unstable


def rows(own, notes_own, notes_unstable):
    """Yields (source, bug, unstable_version, other_versions)."""
    for source, bug in sorted(set(notes_own) | set(notes_unstable)):
        uploads = own.get(source, set())
        in_suite = notes_own.get((source, bug))
        in_unstable = notes_unstable.get((source, bug))
        if in_suite:
            fixed = max(in_suite, key=ORDER)
            yield source, bug, "", sorted((one for one in uploads if not before(one, fixed)), key=ORDER)
            continue
        fixed = max(in_unstable, key=ORDER)
        rebuilt = [one for one in uploads if REBUILD.search(one) and not before(REBUILD.sub("", one), fixed)]
        yield source, bug, fixed, sorted(rebuilt, key=ORDER)


def signed(version):
    """The version of linux-signed-ARCH that wraps a version of linux."""
    upstream, _, revision = version.rpartition("-")
    return upstream + "+" + revision


def main():
    history, advisories, suite, out = sys.argv[1:]
    bugs, packages, sources = [], [], set()
    for source, bug, fixed, others in rows(*read(history, advisories, suite)):
        bugs.append("%s,,facts" % bug)
        number = len(bugs) - 1
        flags = "S   " if not (fixed or others) else "S  F"
        packages.append("%s,%d,%s,%s,%s" % (source, number, flags, fixed, " ".join(others)))
        sources.add(source)
        if source == "linux":
            for arch in ("amd64", "arm64"):
                name = "linux-signed-" + arch
                wrapped = " ".join(map(signed, others))
                packages.append("%s,%d,%s,%s,%s" % (name, number, flags, signed(fixed) if fixed else "", wrapped))
                sources.add(name)
    text = ["VERSION 1", *bugs, "", *packages, "", *(name + "," for name in sorted(sources)), ""]
    with open(os.path.join(out, suite), "wb") as target:
        target.write(zlib.compress(("\n".join(text) + "\n").encode()))
    # What a (source, bug) pair is known at all, for the side of the comparison that debsecan does not print.
    with open(os.path.join(out, suite + ".pairs"), "w", encoding="utf-8") as target:
        for line in packages:
            name, number = line.split(",")[:2]
            target.write("%s %s\n" % (name, bugs[int(number)].split(",")[0]))


if __name__ == "__main__":
    main()
