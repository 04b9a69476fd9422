//! SPDX licence expressions, as far as deciding needs them: `AND`, `OR`, `WITH`, parentheses, and the old `/` for `OR`.
//!
//! Precedence as in the SPDX specification, annex "SPDX license expressions": `WITH` binds closest, then `AND`, then `OR`.

use anyhow::{Result, bail};

/// Whether `expression` can be satisfied with the licences in `allowed` alone.
///
/// # Errors
/// The expression is malformed.
pub(crate) fn satisfied(expression: &str, allowed: &[String]) -> Result<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut reader = Reader { words: spaced.split_whitespace().collect(), at: 0, expression, allowed };
    let verdict = reader.any_of()?;
    match reader.peek() {
        None => Ok(verdict),
        Some(word) => bail!("licence `{expression}`: `{word}` was not expected"),
    }
}

struct Reader<'a> {
    words: Vec<&'a str>,
    at: usize,
    expression: &'a str,
    allowed: &'a [String],
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(word);
        self.at += usize::from(found);
        found
    }

    fn any_of(&mut self) -> Result<bool> {
        let mut verdict = self.all_of()?;
        while self.take("OR") {
            verdict |= self.all_of()?;
        }
        Ok(verdict)
    }

    fn all_of(&mut self) -> Result<bool> {
        let mut verdict = self.single()?;
        while self.take("AND") {
            verdict &= self.single()?;
        }
        Ok(verdict)
    }

    fn single(&mut self) -> Result<bool> {
        if self.take("(") {
            let verdict = self.any_of()?;
            if !self.take(")") {
                bail!("licence `{}`: a `)` is missing", self.expression);
            }
            return Ok(verdict);
        }
        let Some(word) = self.peek().filter(|word| !matches!(*word, "AND" | "OR" | "WITH" | ")")) else {
            bail!("licence `{}`: a licence id is missing", self.expression);
        };
        self.at += 1;
        let mut id = word.to_owned();
        if self.take("WITH") {
            let Some(exception) = self.peek() else {
                bail!("licence `{}`: an exception is missing after WITH", self.expression);
            };
            self.at += 1;
            id = format!("{id} WITH {exception}");
        }
        Ok(self.allowed.contains(&id))
    }
}

#[cfg(test)]
mod tests {
    use super::satisfied;

    fn ask(expression: &str) -> bool {
        satisfied(expression, &["MIT".into(), "Apache-2.0".into(), "Unicode-3.0".into()]).unwrap()
    }

    #[test]
    fn choice_needs_one_and_conjunction_needs_all() {
        assert!(ask("MIT"));
        assert!(!ask("GPL-3.0-only"));
        assert!(ask("MIT OR GPL-3.0-only"));
        assert!(ask("GPL-3.0-only/MIT"));
        assert!(!ask("MIT AND GPL-3.0-only"));
        assert!(ask("(GPL-3.0-only OR Apache-2.0) AND Unicode-3.0"));
        // AND binds closer than OR.
        assert!(ask("MIT OR GPL-3.0-only AND GPL-2.0-only"));
        assert!(!ask("(MIT OR GPL-3.0-only) AND GPL-2.0-only"));
        // An exception makes another licence.
        assert!(!ask("Apache-2.0 WITH LLVM-exception"));
    }

    #[test]
    fn malformed_expression_is_an_error_not_a_yes() {
        for bad in ["", "MIT OR", "(MIT", "MIT)", "MIT MIT", "AND MIT", "MIT WITH"] {
            assert!(satisfied(bad, &["MIT".into()]).is_err(), "{bad}");
        }
    }
}
