//! `help`.

const COMMANDS: &[(&str, &str)] = &[
    ("load-example", "hosts=4 vms=20 seed=1 [memory=8GiB] [host-memory=256GiB]: begin with a made-up fleet"),
    ("load", "FILE [seed=1]: begin with a fleet file"),
    (
        "host",
        "NAME [cluster=] [memory=] [vcpus=] [link=MBIT/S] [management-link=] [slots=] [release=] [uplinks=] [paths=] [features=A,B]: \
         add or change a host",
    ),
    (
        "vm",
        "NAME host=HOST [power=on] [memory=] [vcpus=] [dirty=MIB/S] [auto-start=on] [passthrough=DEVICE] [vtpm=on] [storage=A,B] \
         [features=A,B] [lock=10m|forever]: add or change a guest",
    ),
    (
        "cluster",
        "NAME [ha=] [balancing=] [auto-start=] [admission-control=] [migrates-over=management|migration]: add or change a cluster",
    ),
    (
        "storage",
        "NAME [members=A,B] [copies=2] [resync=20m/40m]: add or change storage; members are hosts that carry it",
    ),
    ("plane", "NAME vm=GUEST: make a guest the management plane of its cluster"),
    ("rule", "apart|together|on-hosts vms=A,B [hosts=A,B]: add a rule that the platform keeps"),
    ("set", super::setting::KNOWN),
    (
        "fault",
        "KIND [host=] [vm=] [action=] [count=N|rate=0.1] [in=5m] [for=10m]; kinds: migration-fails, migration-stalls, no-return, no-reboot, \
         slow-return factor=, returns-with uplinks=|paths=|memory=|vcpus=|setting=NAME:VALUE, slow-storage factor=, slow-link mbps=, \
         api-timeout, lost-reply, stale-inventory, hangs [on=RELEASE], lies, attestation-differs, partition, power-loss, \
         flapping [away=20s] [back=40s], clock-skew ahead=|behind=",
    ),
    ("mend", "NUMBER|KIND|all: end faults"),
    ("power-on", "HOST: boot a host that is down"),
    (
        "do",
        "ACTION [key=KEY] [generation=N]; actions: migrate VM to HOST [from=HOST] [mbps=N] [cold]; evacuate HOST [to=A,B] [mbps=N]; stop VM; \
         start VM [on HOST]; suspend VM; resume VM; stage HOST RELEASE; patch HOST to RELEASE [method=] [unit=]; reboot HOST [quick]; \
         attest HOST; verify HOST; backup-check HOST; freeze CLUSTER [balancing] [auto-start] [admission-control]; thaw CLUSTER; \
         maintenance HOST on|off",
    ),
    ("ask", "TASK|last: what the platform says of a task"),
    ("cancel", "TASK|last [generation=N]: ask a task to stop"),
    ("generation", "N: the generation of orders from now on"),
    ("observe", "ask for the inventory; `expect observed` looks at it"),
    ("run", "SPAN: let time pass"),
    ("wait", "[SPAN]: let time pass until no task is running"),
    (
        "plan",
        "run FILE: carry a plan out step by step, stop where a step fails, and say what differs from the plan",
    ),
    (
        "expect",
        "host|vm|task|storage|cluster|plane NAME FIELD=VALUE...; total FIELD=VALUE; clock<=10m; answer kind=ok; events \"TEXT\" [count=N]; \
         observed host|vm NAME FIELD=VALUE; observed inventory age=10m; same-as NAME. Also != < <= > >=",
    ),
    ("show", "hosts|guests|clusters|storage|planes|tasks|events [N]|faults|history|diff [NAME]"),
    ("save", "NAME: name this state"),
    ("branch", "NAME: go to a named state; what follows is a branch of its own"),
    ("undo", "[N]: go back by so many commands"),
    ("help", "[COMMAND]"),
];

/// All commands, or one of them.
pub(super) fn lines(of: Option<&str>) -> Vec<String> {
    let wanted = COMMANDS.iter().filter(|it| of.is_none_or(|of| it.0 == of));
    let lines: Vec<String> = wanted.map(|(name, text)| format!("{name} {text}")).collect();
    if lines.is_empty() { vec!["no such command; `help` lists all".to_owned()] } else { lines }
}
