//! Which output gets a record: by logger and level, as `logging` decides it.

use logrecord::model::Level;

/// One rule. The first that a record's logger matches decides, unless it goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "it is what a configuration says")]
pub struct Route {
    /// Loggers, each with everything below it; none means every logger.
    pub loggers: Vec<String>,
    /// The least level; a record below it that the loggers match goes nowhere by this rule.
    pub level: Option<Level>,
    /// The outputs.
    pub to: Vec<String>,
    /// Later rules are looked at as well.
    pub go_on: bool,
}

/// The rules, in order.
///
/// # Examples
///
/// ```
/// use logrecord::model::Level;
/// use logrecord_pipeline::{Route, Routes};
///
/// let rule = |logger: &str, level, to: &str| Route {
///     loggers: vec![logger.to_owned()],
///     level,
///     to: vec![to.to_owned()],
///     go_on: false,
/// };
/// let routes = Routes::new(vec![
///     rule("urllib3", Some(Level::WARNING), "all"),
///     Route { to: vec!["all".to_owned(), "engine".to_owned()], ..Route::default() },
/// ]);
/// assert!(!routes.wants("all", "urllib3.connectionpool", Level::DEBUG));
/// assert!(routes.wants("all", "urllib3.connectionpool", Level::ERROR));
/// assert!(!routes.wants("engine", "urllib3", Level::ERROR));
/// assert!(routes.wants("engine", "urllib3x", Level::DEBUG));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    rules: Vec<Route>,
}

/// Whether a logger is another one or below it.
fn is_below(logger: &str, above: &str) -> bool {
    logger.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Routes {
    /// These rules. What none of them matches goes nowhere.
    pub const fn new(rules: Vec<Route>) -> Self {
        Self { rules }
    }

    /// Everything to everybody, from a level on.
    pub fn all(outputs: impl IntoIterator<Item = impl Into<String>>, level: Option<Level>) -> Self {
        let to = outputs.into_iter().map(Into::into).collect();
        Self { rules: vec![Route { level, to, ..Route::default() }] }
    }

    /// Whether an output gets a record of this logger and level.
    pub fn wants(&self, output: &str, logger: &str, level: Level) -> bool {
        for rule in &self.rules {
            let matches = rule.loggers.is_empty() || rule.loggers.iter().any(|above| is_below(logger, above));
            if !matches {
                continue;
            }
            let enough = rule.level.is_none_or(|least| level >= least);
            if enough && rule.to.iter().any(|to| to == output) {
                return true;
            }
            if !rule.go_on {
                return false;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_is_what_logging_means_by_it() {
        for (logger, above, below) in [
            ("a", "a", true),
            ("a.b", "a", true),
            ("a.b.c", "a.b", true),
            ("ab", "a", false),
            ("a", "a.b", false),
            ("", "a", false),
            ("a.", "a", true),
            ("b.a", "a", false),
        ] {
            assert_eq!(is_below(logger, above), below, "{logger:?} below {above:?}");
        }
    }

    #[test]
    fn a_rule_that_goes_on_lets_others_decide_as_well() {
        let rule = |loggers: &[&str], level, to: &[&str], go_on| Route {
            loggers: loggers.iter().map(|&logger| logger.to_owned()).collect(),
            level,
            to: to.iter().map(|&to| to.to_owned()).collect(),
            go_on,
        };
        let routes = Routes::new(vec![
            rule(&["django.security"], None, &["all", "siem"], true),
            rule(&["urllib3", "botocore"], Some(Level::WARNING), &["all"], false),
            rule(&[], None, &["all", "engine"], false),
        ]);
        for (output, logger, level, wants) in [
            ("siem", "django.security.csrf", Level::INFO, true),
            ("engine", "django.security.csrf", Level::INFO, true),
            ("siem", "django", Level::INFO, false),
            ("all", "botocore.x", Level::INFO, false),
            ("all", "botocore.x", Level::WARNING, true),
            ("engine", "botocore.x", Level::WARNING, false),
            ("nobody", "x", Level::CRITICAL, false),
        ] {
            assert_eq!(routes.wants(output, logger, level), wants, "{output} {logger} {level:?}");
        }
        assert!(!Routes::default().wants("all", "x", Level::CRITICAL));
    }
}
