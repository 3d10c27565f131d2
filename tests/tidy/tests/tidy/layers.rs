//! The layers of a crate: which module may import from which.
//!
//! Every crate declares an order in its manifest:
//!
//! ```toml
//! [package.metadata.layers]
//! order = ["wire", "document", "decode"]
//! ```
//!
//! A name is a top-level module. A file imports from its own layer and those before it, never from
//! one behind it, and no two files import each other, directly or around a corner. `lib.rs` is above
//! all. A `pub use` of what lies below a module is no import of that module: who imports the name
//! through it is taken to import the file that it comes from.
//!
//! The source is read as text, without comments, literals and the unit tests at the end of a file.
//! That is enough for `use` declarations and for paths that begin with `crate` or `super`; macros
//! that make paths are not seen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// A module by the names on the way to it; the crate's root has none.
type Module = Vec<String>;

/// How often a name may be exported again before it is followed no further.
const MAX_EXPORTS: usize = 8;

#[derive(Debug, Default)]
struct Source {
    file: PathBuf,
    /// Paths as they are written, with their lines.
    imports: Vec<(usize, Vec<String>)>,
    /// What the module shows under a name of its own.
    exports: BTreeMap<String, Vec<String>>,
}

/// The modules of one crate.
#[derive(Debug, Default)]
struct Tree(BTreeMap<Module, Source>);

/// Every import of a crate that goes up or round.
pub(super) fn check(root: &Path, folder: &Path, files: &[PathBuf], found: &mut Vec<String>) {
    let manifest = std::fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap_or_default();
    let declared: Vec<&str> = super::section(&manifest, "[package.metadata.layers]").collect();
    let order: Vec<String> = declared.join("\n").split('"').skip(1).step_by(2).map(str::to_owned).collect();
    let source = folder.join("src");
    let texts = files.iter().filter(|file| file.starts_with(&source) && is_rust(file)).filter_map(|file| {
        let text = std::fs::read_to_string(root.join(file)).ok()?;
        Some((file.clone(), module(file.strip_prefix(&source).ok()?), text))
    });
    let manifest = folder.join("Cargo.toml").display().to_string();
    if order.is_empty() {
        found.push(format!("{manifest}: no [package.metadata.layers]"));
    }
    Tree::new(texts).findings(&manifest, &order, found);
}

fn is_rust(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "rs")
}

/// The module that a file below `src` holds.
fn module(file: &Path) -> Module {
    let mut names: Module = file
        .with_extension("")
        .components()
        .map(|name| name.as_os_str().to_string_lossy().into_owned())
        .collect();
    if names.last().is_some_and(|last| matches!(last.as_str(), "lib" | "main" | "mod")) {
        names.pop();
    }
    names
}

impl Tree {
    fn new(texts: impl Iterator<Item = (PathBuf, Module, String)>) -> Self {
        let mut tree = Self::default();
        for (file, module, text) in texts {
            let mut source = Source { file, ..Source::default() };
            source.read(&code(&text), module.is_empty());
            tree.0.insert(module, source);
        }
        tree
    }

    fn findings(&self, manifest: &str, order: &[String], found: &mut Vec<String>) {
        for name in order.iter().filter(|name| !self.0.contains_key(std::slice::from_ref(*name))) {
            found.push(format!("{manifest}: the layer `{name}` is no module"));
        }
        let layer = |module: &Module| {
            module.first().map_or(Some(usize::MAX), |top| order.iter().position(|name| name == top))
        };
        let mut edges: BTreeMap<&Module, BTreeMap<Module, usize>> = BTreeMap::new();
        for (from, source) in &self.0 {
            if layer(from).is_none() {
                found.push(format!("{}:1: a layer that the manifest does not name", source.file.display()));
            }
            for (line, path) in &source.imports {
                if let Some(to) = self.target(from, path).filter(|to| to != from) {
                    edges.entry(from).or_default().entry(to).or_insert(*line);
                }
            }
        }
        for (from, targets) in &edges {
            let file = self.0.get(*from).map(|source| source.file.display().to_string()).unwrap_or_default();
            for (to, line) in targets {
                if layer(to) > layer(from) {
                    found.push(format!("{file}:{line}: imports up, from `{}`", to.join("::")));
                } else if let Some(way) = way(&edges, to, from) {
                    found.push(format!("{file}:{line}: imports in a circle: {}", way.join(" -> ")));
                }
            }
        }
    }

    /// The module whose file a path leads to; `None` if it leads out of the crate.
    fn target(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut names = path;
        let mut at = from.clone();
        match names.first()?.as_str() {
            "crate" => {
                at.clear();
                names = names.get(1..)?;
            }
            "self" => names = names.get(1..)?,
            "super" => {
                while let Some(("super", rest)) =
                    names.split_first().map(|(name, rest)| (name.as_str(), rest))
                {
                    at.pop()?;
                    names = rest;
                }
            }
            first => {
                at.push(first.to_owned());
                if !self.0.contains_key(&at) {
                    return None;
                }
                names = names.get(1..)?;
            }
        }
        self.follow(at, names, MAX_EXPORTS)
    }

    fn follow(&self, mut at: Module, names: &[String], exports_left: usize) -> Option<Module> {
        for name in names {
            at.push(name.clone());
            if self.0.contains_key(&at) {
                continue;
            }
            at.pop();
            if let Some(path) = self.0.get(&at)?.exports.get(name)
                && exports_left > 0
            {
                let (first, rest) = path.split_first()?;
                let mut start = at.clone();
                if first == "crate" {
                    start.clear();
                } else if first != "self" {
                    start.push(first.clone());
                }
                return self.follow(start, rest, exports_left - 1);
            }
            break;
        }
        Some(at)
    }
}

/// The shortest way from one module to another along imports, by name.
fn way(
    edges: &BTreeMap<&Module, BTreeMap<Module, usize>>,
    from: &Module,
    to: &Module,
) -> Option<Vec<String>> {
    let mut before: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut seen = BTreeSet::from([from]);
    let mut open = VecDeque::from([from]);
    while let Some(at) = open.pop_front() {
        if at == to {
            let mut way = vec![at.join("::")];
            let mut at = at;
            while let Some(previous) = before.get(at) {
                at = previous;
                way.push(at.join("::"));
            }
            way.push(to.join("::"));
            way.reverse();
            return Some(way);
        }
        for next in edges.get(at).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(next) {
                before.insert(next, at);
                open.push_back(next);
            }
        }
    }
    None
}

impl Source {
    /// Collects the imports and exports of code that [`code`] has prepared. For the root of the crate, a path that
    /// begins with `crate` leads down as any other.
    fn read(&mut self, code: &str, is_root: bool) {
        let mut line = 1;
        let mut rest = code;
        let mut word = String::new();
        let mut public = false;
        while let Some(next) = rest.chars().next() {
            if next.is_alphanumeric() || next == '_' {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let (name, tail) = rest.split_at(end);
                word.clear();
                word.push_str(name);
                rest = tail;
                match name {
                    "pub" => {
                        public = true;
                        // `pub(crate)` names no module.
                        if rest.starts_with('(') {
                            rest = rest.split_once(')').map_or("", |(_, tail)| tail);
                        }
                    }
                    "use" => {
                        let (tree, tail) = rest.split_once(';').unwrap_or((rest, ""));
                        let mut paths = Vec::new();
                        expand(&mut Vec::new(), tree, &mut paths);
                        for (name, path) in paths {
                            let leads_down = match path.first().map(String::as_str) {
                                Some("crate") => is_root,
                                first => first != Some("super"),
                            };
                            if public && leads_down {
                                self.exports.insert(name, path);
                            } else {
                                self.imports.push((line, path));
                            }
                        }
                        line += tree.matches('\n').count();
                        rest = tail;
                        public = false;
                    }
                    "crate" | "super" if rest.starts_with("::") => {
                        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
                        let (tail, behind) = rest.split_at(end.unwrap_or(rest.len()));
                        let path =
                            std::iter::once(name).chain(tail.split("::").filter(|name| !name.is_empty()));
                        self.imports.push((line, path.map(str::to_owned).collect()));
                        rest = behind;
                    }
                    _ => public = false,
                }
                continue;
            }
            line += usize::from(next == '\n');
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            // What a macro makes of `$crate` is an import of who calls it.
            rest = rest.strip_prefix("crate").filter(|_| next == '$').unwrap_or(rest);
        }
    }
}

/// The paths of a `use` tree, each with the name that it gives.
fn expand(before: &mut Vec<String>, tree: &str, paths: &mut Vec<(String, Vec<String>)>) {
    let tree = tree.trim();
    if tree.is_empty() {
        return;
    }
    let split = tree.find(['{', ':']).unwrap_or(tree.len());
    let (head, tail) = tree.split_at(split);
    if let Some(rest) = tail.strip_prefix("::") {
        before.push(head.trim().to_owned());
        expand(before, rest, paths);
        before.pop();
        return;
    }
    if let Some(list) = tail.strip_prefix('{').and_then(|list| list.trim_end().strip_suffix('}')) {
        let mut depth = 0_i32;
        let parts = list.split(|c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        });
        for part in parts {
            expand(before, part, paths);
        }
        return;
    }
    let (path, alias) = head.split_once(" as ").unwrap_or((head, head));
    let mut whole = before.clone();
    let path = path.trim();
    if path != "self" && path != "*" {
        whole.push(path.to_owned());
    }
    let name = if alias.trim() == "self" { before.last().cloned() } else { Some(alias.trim().to_owned()) };
    paths.push((name.unwrap_or_default(), whole));
}

/// The code of a file: comments and literals are left out, lines stay where they are, and the unit
/// tests at the end are cut.
fn code(text: &str) -> String {
    let tests =
        ["\n#[cfg(test)]\nmod ", "\n#[cfg(all(test, "].iter().filter_map(|start| text.find(start)).min();
    let tests = tests.unwrap_or(text.len());
    let text = text.get(..tests).unwrap_or(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = match next {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => quoted_len(rest),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#") => raw_len(rest),
            // A lifetime has no closing quote.
            '\'' if rest.starts_with("'\\") => {
                rest.get(2..).and_then(|tail| tail.find('\'')).map_or(1, |at| at + 3)
            }
            '\'' if rest.chars().nth(2) == Some('\'') => rest.chars().take(3).map(char::len_utf8).sum(),
            _ => 0,
        };
        if skipped == 0 {
            out.push(next);
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
            continue;
        }
        let (gone, tail) = rest.split_at_checked(skipped).unwrap_or((rest, ""));
        out.extend(gone.matches('\n').map(|_| '\n'));
        rest = tail;
    }
    out
}

/// The length of a literal between quotes.
fn quoted_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a raw literal; 0 if it is a raw identifier.
fn raw_len(text: &str) -> usize {
    let hashes = text.chars().skip(1).take_while(|c| *c == '#').count();
    if text.chars().nth(hashes + 1) != Some('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 2;
    text.get(start..).and_then(|body| body.find(&end)).map_or(text.len(), |at| start + at + end.len())
}

mod tests {
    use super::{Tree, code, module};
    use std::path::{Path, PathBuf};

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        let texts = files
            .iter()
            .map(|(file, text)| (PathBuf::from(file), module(Path::new(file)), (*text).to_owned()));
        let mut found = Vec::new();
        Tree::new(texts).findings("Cargo.toml", &["low".to_owned(), "high".to_owned()], &mut found);
        found
    }

    #[test]
    fn imports_go_down() {
        let low = ("low.rs", "//! Low.\nuse crate::high::{\n    Thing,\n};\n");
        let high = ("high/mod.rs", "mod thing;\npub(crate) use thing::Thing;\n");
        let thing = ("high/thing.rs", "use crate::low;\npub(crate) struct Thing;\n");
        assert_eq!(findings(&[("low.rs", ""), high, thing]), Vec::<String>::new());
        let found = findings(&[low, high, thing]);
        assert_eq!(
            found,
            [
                "high/thing.rs:1: imports in a circle: high::thing -> low -> high::thing",
                "low.rs:2: imports up, from `high::thing`"
            ]
        );
    }

    #[test]
    fn a_path_in_the_code_is_an_import() {
        let low = ("low.rs", "fn a() {\n    crate::high::b();\n}\n");
        assert_eq!(findings(&[low, ("high.rs", "")]), ["low.rs:2: imports up, from `high`"]);
        let via_root = ("low.rs", "\nfn a(_: crate::Thing) {}\n");
        let root = ("lib.rs", "mod low;\nmod high;\npub use high::Thing;\n");
        assert_eq!(findings(&[via_root, root, ("high.rs", "")]), ["low.rs:2: imports up, from `high`"]);
    }

    #[test]
    fn circles_are_found_round_a_corner() {
        let found = findings(&[
            ("high.rs", ""),
            ("low/mod.rs", "mod a;\nmod b;\nmod c;\n"),
            ("low/a.rs", "use super::b::B;\n"),
            ("low/b.rs", "use super::c::{self, C};\n"),
            ("low/c.rs", "use super::a;\n"),
        ]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(
            found.first().map(String::as_str),
            Some("low/a.rs:1: imports in a circle: low::a -> low::b -> low::c -> low::a")
        );
    }

    #[test]
    fn comments_literals_and_tests_import_nothing() {
        let text = "//! crate::high::A\nconst A: &str = \"crate::high::A\"; // crate::high\nconst B: char = '\"';\n\
                    const C: &str = r#\"\"crate::high\"#; /* crate::high */\nfn f<'a>(_: &'a str) {}\n\
                    #[cfg(test)]\nmod tests {\n    use crate::high::A;\n}\n";
        assert_eq!(findings(&[("low.rs", text), ("high.rs", "")]), Vec::<String>::new());
        assert_eq!(code("a\"\\\"\n\"b // c\nd"), "a\nb \nd");
    }

    #[test]
    fn the_root_exports_and_macros_import_for_others() {
        let root = ("lib.rs", "mod low;\nmod high;\npub use crate::{high::Thing, low::b};\n");
        let low = ("low.rs", "macro_rules! m { () => { $crate::high::b() } }\n");
        let high = ("high.rs", "use crate::b;\n");
        assert_eq!(findings(&[root, low, high]), Vec::<String>::new());
    }

    #[test]
    fn every_layer_is_named() {
        let found = findings(&[("odd.rs", ""), ("low.rs", "")]);
        assert_eq!(
            found,
            [
                "Cargo.toml: the layer `high` is no module",
                "odd.rs:1: a layer that the manifest does not name"
            ]
        );
    }
}
