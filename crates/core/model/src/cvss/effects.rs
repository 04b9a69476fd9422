//! What a vulnerability takes when it is used: the impact metrics of a vector.

use super::vector::Vector;
use super::{AttackVector, InvalidVector, Version, attack_vector, pick};

/// How much of a property is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Loss {
    /// Nothing.
    None,
    /// Some (`L`, in 2.0 `P`).
    Low,
    /// All of it (`H`, in 2.0 `C`).
    High,
}

/// The base metrics that say from where, and what is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Effects {
    /// From where.
    pub attack: AttackVector,
    /// Whoever uses it has an account there already: `PR:L` or `PR:H`, in 2.0 `Au:S` or `Au:M`.
    pub account: bool,
    /// Something beyond the vulnerable component is hit: `S:C` in 3.x, any subsequent-system impact in 4.0. Version 2.0
    /// cannot say it, so that it is always `false` there.
    pub scope_changed: bool,
    /// Confidentiality lost; in 4.0 the greater of the vulnerable and the subsequent system's.
    pub confidentiality: Loss,
    /// Integrity lost, as above.
    pub integrity: Loss,
    /// Availability lost, as above.
    pub availability: Loss,
}

/// The effects that a vector states by its base metrics.
///
/// # Errors
/// As [`super::score`].
pub fn effects(vector: &str) -> Result<Effects, InvalidVector> {
    let attack = attack_vector(vector)?;
    let read = Vector::read(vector)?;
    let rising = |at| pick(&[Loss::None, Loss::Low, Loss::High], read.get(at));
    let falling = |at| pick(&[Loss::High, Loss::Low, Loss::None], read.get(at));
    Ok(match read.version {
        Version::V2 => Effects {
            attack,
            account: read.get(2) != 2,
            scope_changed: false,
            confidentiality: rising(3),
            integrity: rising(4),
            availability: rising(5),
        },
        Version::V3_0 | Version::V3_1 => Effects {
            attack,
            account: read.get(2) != 0,
            scope_changed: read.get(4) == 1,
            confidentiality: rising(5),
            integrity: rising(6),
            availability: rising(7),
        },
        Version::V4_0 => Effects {
            attack,
            account: read.get(3) != 0,
            scope_changed: (8..11).any(|at| falling(at) != Loss::None),
            confidentiality: falling(5).max(falling(8)),
            integrity: falling(6).max(falling(9)),
            availability: falling(7).max(falling(10)),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effects_of_each_version() {
        let of = |vector: &str| {
            let it = effects(vector).unwrap();
            (it.attack, it.scope_changed, it.confidentiality, it.integrity, it.availability)
        };
        assert_eq!(
            of("AV:L/AC:L/Au:N/C:P/I:C/A:N"),
            (AttackVector::Local, false, Loss::Low, Loss::High, Loss::None)
        );
        assert_eq!(
            of("CVSS:3.1/AV:L/AC:L/PR:H/UI:N/S:C/C:H/I:L/A:N"),
            (AttackVector::Local, true, Loss::High, Loss::Low, Loss::None)
        );
        assert_eq!(
            of("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"),
            (AttackVector::Network, false, Loss::None, Loss::None, Loss::High)
        );
        assert_eq!(
            of("CVSS:4.0/AV:A/AC:L/AT:N/PR:N/UI:N/VC:N/VI:L/VA:N/SC:H/SI:N/SA:L"),
            (AttackVector::Adjacent, true, Loss::High, Loss::Low, Loss::Low)
        );
        assert_eq!(
            of("CVSS:4.0/AV:P/AC:L/AT:N/PR:N/UI:N/VC:H/VI:L/VA:N/SC:N/SI:N/SA:N"),
            (AttackVector::Physical, false, Loss::High, Loss::Low, Loss::None)
        );
        assert!(effects("CVSS:3.1/AV:N").is_err());
    }

    #[test]
    fn some_holes_need_an_account() {
        for (vector, account) in [
            ("AV:N/AC:L/Au:N/C:P/I:C/A:N", false),
            ("AV:N/AC:L/Au:S/C:P/I:C/A:N", true),
            ("AV:N/AC:L/Au:M/C:P/I:C/A:N", true),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:L/A:N", false),
            ("CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:U/C:H/I:L/A:N", true),
            ("CVSS:3.0/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:L/A:N", true),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:L/VA:N/SC:H/SI:N/SA:L", false),
            ("CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:N/VI:L/VA:N/SC:H/SI:N/SA:L", true),
        ] {
            assert_eq!(effects(vector).unwrap().account, account, "{vector}");
        }
    }
}
