//! Routes beside Python's own logger tree.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may fail loudly"
)]

use std::io::Write as _;
use std::process::Stdio;

use logrecord::model::Level;
use logrecord_pipeline::{Route, Routes};

/// Makes random rules, records and Python's decisions: a handler on a rule's logger gets what propagates to it, and
/// a level on the handler keeps out what is below.
const SCRIPT: &str = r#"
import json, logging, random
r = random.Random(7)
parts = ["a", "ab", "b", "a-b", "\u00e4", "root", "x", "0"]
def name():
    return ".".join(r.choice(parts) for _ in range(r.randint(1, 4)))
class Keep(logging.Handler):
    def emit(self, record):
        self.got = True
for case in range(400):
    manager = logging.Manager(logging.RootLogger(1))
    above = name()
    level = r.choice([None, 10, 20, 25, 30, 40, 50])
    handler = Keep(level or 0)
    manager.getLogger(above).addHandler(handler)
    rows = []
    for _ in range(20):
        logger, number = name(), r.choice([1, 5, 10, 20, 25, 30, 35, 40, 50, 60])
        handler.got = False
        manager.getLogger(logger).log(number, "x")
        rows.append([logger, number, handler.got])
    print(json.dumps([above, level, rows]))
"#;

#[test]
fn a_route_decides_as_a_handler_on_that_logger_would() {
    let Some(python) = testkit::python::find().pop() else {
        testkit::process::skip("routes are not compared with logging");
        return;
    };
    let mut child = python.command().arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(SCRIPT.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let mut yes = 0;
    let mut no = 0;
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (above, level, rows): (String, Option<i64>, Vec<(String, i64, bool)>) =
            serde_json::from_str(line).unwrap();
        let routes = Routes::new(vec![Route {
            loggers: vec![above.clone()],
            level: level.map(Level::new),
            to: vec!["output".to_owned()],
            go_on: false,
        }]);
        for (logger, number, got) in rows {
            let wants = routes.wants("output", &logger, Level::new(number));
            assert_eq!(wants, got, "{logger} at {number}, rule {above} from {level:?}");
            if got { yes += 1 } else { no += 1 }
        }
    }
    assert!(yes > 100 && no > 1_000, "{yes} and {no}");
}
