//! ESXi and vCenter releases: builds, ordered within one update train only.
//!
//! VMware fixes each update (8.0 U2, 8.0 U3, ...) on its own: a build of 8.0 U2 that carries a fix has a lower number than a
//! build of 8.0 U3 that lacks it. So two releases are ordered only when they belong to the same [`train`] *and* state their
//! place in it in the same way:
//!
//! | stated | example | ordered by |
//! | --- | --- | --- |
//! | build | `ESXi80U3d-24585383`, `VMware ESXi 8.0.3 build-24585383`, `8.0.3-24585383` | build number |
//! | patch letter | `8.0 U2d`, `7.0U3o`, `ESXi 6.7 Update 3a` | letter; none is the first, `sb` (security only) is before `b` |
//! | fourth number | `8.0.3.00400` (vCenter) | that number |
//! | bulletin | `ESXi650-201811401-BG`, image profiles with a date | bulletin number |
//!
//! The third number is the update (`8.0.3` is 8.0 U3), as the products display it since 7.0; before, they always display 0,
//! so that `VMware ESXi 6.7.0 build-N` is of train `6.7`, whatever its update: there, patches are cumulative.
//! A build without a train (`24585383`, `build-24585383`) is ordered against other bare builds only. Letter case, spaces,
//! underscores and the words for the product do not count.
//!
//! Which of two releases has which fixes is one question; which is the later product, that a running guest may move up to, another:
//! [`succession`] answers that by the trains where these differ.

use std::cmp::Ordering;

use super::{Comparison, InvalidVersion, Scheme, by_value, take_while, without_leading_zeros};

/// A bulletin or image profile starts with year and month, so it has at least nine digits; builds have at most eight so far.
const BULLETIN_DIGITS: usize = 9;
/// The first builds in public had six digits; a shorter number alone may be a truncated version.
const BARE_BUILD_DIGITS: usize = 5;
const EXPECTED: &str = "expected a release such as ESXi80U3d-24585383, VMware ESXi 8.0.3 build-24585383, 8.0 U3d, or a build number";

#[derive(Clone, Copy, PartialEq, Eq)]
struct Train<'a> {
    major: &'a [u8],
    minor: &'a [u8],
    update: &'a [u8],
}

/// The place of a release in its train.
#[derive(Clone, Copy)]
enum Place<'a> {
    Build(&'a [u8]),
    Bulletin(&'a [u8]),
    Fourth(&'a [u8]),
    Letters(&'a [u8]),
}

struct Release<'a> {
    train: Option<Train<'a>>,
    place: Place<'a>,
}

/// Orders two releases of one train; see the module page for what is comparable.
///
/// # Errors
/// [`InvalidVersion`] for a text that names neither a release nor a build.
pub fn compare(left: &str, right: &str) -> Result<Comparison, InvalidVersion> {
    let (left, right) = (read(left)?, read(right)?);
    let same_train = match (left.train, right.train) {
        (None, None) => true,
        (Some(left), Some(right)) => left.same(right),
        _ => false,
    };
    if !same_train {
        return Ok(Comparison::Incomparable);
    }
    Ok(match (left.place, right.place) {
        (Place::Build(left), Place::Build(right))
        | (Place::Bulletin(left), Place::Bulletin(right))
        | (Place::Fourth(left), Place::Fourth(right)) => Comparison::Ordered(by_value(left, right)),
        (Place::Letters(left), Place::Letters(right)) => Comparison::Ordered(order_letters(left, right)),
        _ => Comparison::Incomparable,
    })
}

/// Which of two releases is the later product: as [`compare`] says or, of different trains, by the trains. Until 6.7 products display
/// update 0 whatever theirs is, so that there trains of one version tell nothing where one of them is that.
///
/// # Errors
/// [`InvalidVersion`] for a text that names neither a release nor a build.
pub fn succession(left: &str, right: &str) -> Result<Comparison, InvalidVersion> {
    let order = compare(left, right)?;
    let (Comparison::Incomparable, Some(left), Some(right)) = (order, read(left)?.train, read(right)?.train)
    else {
        return Ok(order);
    };
    let version = by_value(left.major, right.major).then_with(|| by_value(left.minor, right.minor));
    let update = by_value(left.update, right.update);
    let is_zero = |it: Train<'_>| by_value(it.update, b"0") == Ordering::Equal;
    let may_be_any = by_value(left.major, b"7") == Ordering::Less && (is_zero(left) || is_zero(right));
    Ok(match (version, update) {
        (Ordering::Equal, Ordering::Equal) => Comparison::Incomparable,
        (Ordering::Equal, _) if may_be_any => Comparison::Incomparable,
        (Ordering::Equal, update) => Comparison::Ordered(update),
        (version, _) => Comparison::Ordered(version),
    })
}

/// The update train of a release in one spelling: `8.0U3`, or `8.0` before the first update.
/// None for a bare build number and for a text that is no release.
#[must_use]
pub fn train(version: &str) -> Option<String> {
    let Train { major, minor, update } = read(version).ok()?.train?;
    let number = |digits: &[u8]| {
        let text = String::from_utf8_lossy(digits);
        let text = text.trim_start_matches('0');
        if text.is_empty() { "0".to_owned() } else { text.to_owned() }
    };
    let (major, minor, update) = (number(major), number(minor), number(update));
    Some(if update == "0" { format!("{major}.{minor}") } else { format!("{major}.{minor}U{update}") })
}

/// The build number of a release, where it states one: what names it whatever the spelling, for builds are numbered through over all
/// trains. None for letters, fourth numbers, bulletins, and a text that is no release.
#[must_use]
pub fn build(version: &str) -> Option<&str> {
    match read(version).ok()?.place {
        Place::Build(digits) => std::str::from_utf8(without_leading_zeros(digits)).ok(),
        _ => None,
    }
}

impl Train<'_> {
    fn same(self, other: Train<'_>) -> bool {
        [(self.major, other.major), (self.minor, other.minor), (self.update, other.update)]
            .into_iter()
            .all(|(left, right)| by_value(left, right) == Ordering::Equal)
    }
}

/// `b` is after `a`, `aa` after `z`; a security-only patch (`sb`) is just before the patch that it was cut from (`b`).
fn order_letters(left: &[u8], right: &[u8]) -> Ordering {
    let key = |letters: &'_ [u8]| match letters {
        [b's' | b'S', rest @ ..] if !rest.is_empty() => (letters.len() - 1, 1, false),
        _ => (letters.len(), 0, true),
    };
    let (left_key, right_key) = (key(left), key(right));
    let lower = |byte: &u8| byte.to_ascii_lowercase();
    left_key
        .0
        .cmp(&right_key.0)
        .then_with(|| left.iter().skip(left_key.1).map(lower).cmp(right.iter().skip(right_key.1).map(lower)))
        .then_with(|| left_key.2.cmp(&right_key.2))
}

fn read(text: &str) -> Result<Release<'_>, InvalidVersion> {
    Reader { rest: text.as_bytes() }
        .release()
        .ok_or_else(|| InvalidVersion::new(Scheme::Esxi, text, EXPECTED))
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn release(mut self) -> Option<Release<'a>> {
        while self.any_word(&[
            "vmware",
            "esxi",
            "esx",
            "vcenter",
            "server",
            "appliance",
            "vsphere",
            "hypervisor",
        ]) {}
        if self.word("build") {
            return self.bare_build();
        }
        self.separators();
        let digits = self.digits();
        if digits.is_empty() {
            return None;
        }
        let (train, fourth) = if self.rest.first() == Some(&b'.') {
            self.dotted(digits)?
        } else if digits.len() >= BARE_BUILD_DIGITS {
            return self.finish(None, Place::Build(digits));
        } else {
            (compact(digits)?, None)
        };
        let (train, letters) = self.update(train)?;
        self.place(train, fourth, letters)
    }

    fn bare_build(mut self) -> Option<Release<'a>> {
        self.separators();
        let digits = self.digits();
        if digits.is_empty() { None } else { self.finish(None, Place::Build(digits)) }
    }

    /// `8.0`, `8.0.3` or `8.0.3.00400`, from the first dot on.
    fn dotted(&mut self, major: &'a [u8]) -> Option<(Train<'a>, Option<&'a [u8]>)> {
        let mut parts: [Option<&'a [u8]>; 3] = [None; 3];
        for part in &mut parts {
            if self.rest.first() != Some(&b'.') {
                break;
            }
            self.rest = self.rest.get(1..)?;
            let digits = self.digits();
            if digits.is_empty() {
                return None;
            }
            *part = Some(digits);
        }
        let [minor, update, fourth] = parts;
        Some((Train { major, minor: minor?, update: update.unwrap_or(b"0") }, fourth))
    }

    /// `U3d`, `Update 3d`, or nothing. An update stated twice must agree, unless the first says 0.
    fn update(&mut self, train: Train<'a>) -> Option<(Train<'a>, &'a [u8])> {
        if !self.any_word(&["update", "u"]) {
            return Some((train, b""));
        }
        self.separators();
        let update = self.digits();
        if update.is_empty() {
            return None;
        }
        if by_value(train.update, b"0") != Ordering::Equal
            && by_value(train.update, update) != Ordering::Equal
        {
            return None;
        }
        let (letters, rest) = take_while(self.rest, |byte| byte.is_ascii_alphabetic());
        self.rest = rest;
        Some((Train { update, ..train }, letters))
    }

    /// The build or bulletin, else the fourth number, else the letters.
    fn place(mut self, train: Train<'a>, fourth: Option<&'a [u8]>, letters: &'a [u8]) -> Option<Release<'a>> {
        self.any_word(&["ga"]);
        let named = self.word("build");
        self.separators();
        let digits = self.digits();
        let place = match (digits.is_empty(), fourth) {
            (true, _) if named => return None,
            (true, Some(fourth)) => Place::Fourth(fourth),
            (true, None) => Place::Letters(letters),
            (false, _) if digits.len() >= BULLETIN_DIGITS && !named => Place::Bulletin(digits),
            (false, _) => Place::Build(digits),
        };
        self.finish(Some(train), place)
    }

    /// Image profiles and bulletins end in words that do not change what the release is.
    fn finish(mut self, train: Option<Train<'a>>, place: Place<'a>) -> Option<Release<'a>> {
        while self.any_word(&["standard", "no", "tools", "bg", "sg", "ug"]) {}
        self.separators();
        self.rest.is_empty().then_some(Release { train, place })
    }

    fn any_word(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.word(word))
    }

    /// Takes a word after any separators, unless it goes on with more letters.
    fn word(&mut self, word: &str) -> bool {
        let (_, at) = take_while(self.rest, is_separator);
        let Some((start, rest)) = at.split_at_checked(word.len()) else { return false };
        let whole = !rest.first().is_some_and(u8::is_ascii_alphabetic);
        let found = whole && start.eq_ignore_ascii_case(word.as_bytes());
        if found {
            self.rest = rest;
        }
        found
    }

    fn separators(&mut self) {
        self.rest = take_while(self.rest, is_separator).1;
    }

    fn digits(&mut self) -> &'a [u8] {
        let (digits, rest) = take_while(self.rest, |byte| byte.is_ascii_digit());
        self.rest = rest;
        digits
    }
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'-' | b'_' | b',' | b'(' | b')')
}

/// `80`, `650` or `703`: one digit each for major, minor and update.
fn compact(digits: &[u8]) -> Option<Train<'_>> {
    match digits.len() {
        2 | 3 => {
            let (major, rest) = digits.split_at(1);
            let (minor, update) = rest.split_at(1);
            Some(Train { major, minor, update: if update.is_empty() { b"0" } else { update } })
        }
        _ => None,
    }
}
