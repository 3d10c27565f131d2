//! What is known of a name that a pickle may bear.

/// What a name means, as far as a table knows.
///
/// What is not in the table is [`Meaning::Unknown`], never safe: any module may do anything when it is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// It makes plain data, whatever it is called with.
    Harmless,
    /// It is not in the table.
    Unknown,
    /// It can run code, or reach what can; the text says how.
    RunsCode(&'static str),
}

impl Meaning {
    /// The word of the machine-readable form: `harmless`, `unknown`, `runs_code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::Unknown => "unknown",
            Self::RunsCode(_) => "runs_code",
        }
    }
}

/// Looks a name up, as an [`Inspection`](super::Inspection) lists it. Python 2's names of modules mean the same as
/// Python 3's.
///
/// ```
/// use pickle_codec::inspect::{Meaning, meaning};
/// assert_eq!(meaning("collections.OrderedDict"), Meaning::Harmless);
/// assert_eq!(meaning("mypkg.Status"), Meaning::Unknown);
/// assert!(matches!(meaning("posix.system"), Meaning::RunsCode(_)));
/// assert!(matches!(meaning("unknown name"), Meaning::RunsCode(_)));
/// ```
#[must_use]
pub fn meaning(name: &str) -> Meaning {
    if name == super::finding::UNKNOWN_NAME {
        return Meaning::RunsCode("the pickle computes the name, so that it can be any");
    }
    if matches!(name, "NEXT_BUFFER" | "BUILD") {
        return Meaning::Harmless;
    }
    if HARMLESS.binary_search(&name).is_ok() {
        return Meaning::Harmless;
    }
    for (module, names, why) in RUNS_CODE {
        let Some(rest) = name.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let first = rest.split('.').next().unwrap_or_default();
        if names.is_empty() || names.contains(&first) || names.contains(&rest) {
            return Meaning::RunsCode(why);
        }
    }
    // A class reached through a module that it imports: `statistics.sys.modules` and the like.
    for part in name.split('.') {
        if let Some((_, why)) = PARTS.iter().find(|(known, _)| *known == part) {
            return Meaning::RunsCode(why);
        }
    }
    Meaning::Unknown
}

/// NameList that make plain data, in the order of their bytes.
const HARMLESS: &[&str] = &[
    "UserDict.UserDict",
    "UserList.UserList",
    "__builtin__.bytearray",
    "__builtin__.bytes",
    "__builtin__.complex",
    "__builtin__.dict",
    "__builtin__.float",
    "__builtin__.frozenset",
    "__builtin__.int",
    "__builtin__.list",
    "__builtin__.long",
    "__builtin__.object",
    "__builtin__.range",
    "__builtin__.set",
    "__builtin__.slice",
    "__builtin__.str",
    "__builtin__.tuple",
    "__builtin__.unicode",
    "__builtin__.xrange",
    "_codecs.encode",
    "array._array_reconstructor",
    "array.array",
    "builtins.bool",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.complex",
    "builtins.dict",
    "builtins.float",
    "builtins.frozenset",
    "builtins.int",
    "builtins.list",
    "builtins.object",
    "builtins.range",
    "builtins.set",
    "builtins.slice",
    "builtins.str",
    "builtins.tuple",
    "collections.Counter",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "copy_reg._reconstructor",
    "copyreg._reconstructor",
    "datetime.date",
    "datetime.datetime",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "decimal.Decimal",
    "fractions.Fraction",
    "http.HTTPStatus",
    "ipaddress.IPv4Address",
    "ipaddress.IPv4Interface",
    "ipaddress.IPv4Network",
    "ipaddress.IPv6Address",
    "ipaddress.IPv6Interface",
    "ipaddress.IPv6Network",
    "joblib.numpy_pickle.NumpyArrayWrapper",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy.dtype",
    "numpy.dtypes.Float64DType",
    "numpy.dtypes.Int64DType",
    "numpy.ma.MaskedArray",
    "numpy.ma.core._mareconstruct",
    "numpy.matrix",
    "numpy.ndarray",
    "numpy.random._mt19937.MT19937",
    "numpy.random._pcg64.PCG64",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__generator_ctor",
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.random.bit_generator.SeedSequence",
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
    "pandas.Categorical",
    "pandas.CategoricalDtype",
    "pandas.DataFrame",
    "pandas.DatetimeTZDtype",
    "pandas.Index",
    "pandas.Int64Dtype",
    "pandas.MultiIndex",
    "pandas.NA",
    "pandas.PeriodDtype",
    "pandas.PeriodIndex",
    "pandas.RangeIndex",
    "pandas.Series",
    "pandas.StringDtype",
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
    "pandas._libs.internals._unpickle_block",
    "pandas._libs.tslibs.timedeltas._timedelta_unpickle",
    "pandas._libs.tslibs.timestamps._unpickle_timestamp",
    "pandas.arrays.DatetimeArray",
    "pandas.arrays.IntegerArray",
    "pandas.arrays.PeriodArray",
    "pandas.arrays.StringArray",
    "pandas.core.frame.DataFrame",
    "pandas.core.indexes.base.Index",
    "pandas.core.indexes.base._new_Index",
    "pandas.core.indexes.datetimes.DatetimeIndex",
    "pandas.core.indexes.datetimes._new_DatetimeIndex",
    "pandas.core.indexes.numeric.Int64Index",
    "pandas.core.indexes.range.RangeIndex",
    "pandas.core.internals.managers.BlockManager",
    "pandas.core.internals.managers.SingleBlockManager",
    "pandas.core.series.Series",
    "pathlib.PosixPath",
    "pathlib.PurePath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.PurePosixPath",
    "pathlib._local.PureWindowsPath",
    "pathlib._local.WindowsPath",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.dummy.DummyClassifier",
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._forest.RandomForestRegressor",
    "sklearn.ensemble._gb.GradientBoostingClassifier",
    "sklearn.linear_model._base.LinearRegression",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.newObj",
    "sklearn.neighbors._classification.KNeighborsClassifier",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._kd_tree.newObj",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.svm._classes.SVC",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._classes.DecisionTreeRegressor",
    "sklearn.tree._tree.Tree",
    "torch.BFloat16Storage",
    "torch.BoolStorage",
    "torch.ByteStorage",
    "torch.CharStorage",
    "torch.ComplexDoubleStorage",
    "torch.ComplexFloatStorage",
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.IntStorage",
    "torch.LongStorage",
    "torch.QInt32Storage",
    "torch.QInt8Storage",
    "torch.QUInt2x4Storage",
    "torch.QUInt4x2Storage",
    "torch.QUInt8Storage",
    "torch.ShortStorage",
    "torch.Size",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch.bfloat16",
    "torch.device",
    "torch.float16",
    "torch.float32",
    "torch.float64",
    "torch.int64",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "torch.storage.UntypedStorage",
    "uuid.SafeUUID",
    "uuid.UUID",
    "zoneinfo.ZoneInfo",
    "zoneinfo.ZoneInfo._unpickle",
];

const COMMANDS: &str = "it runs commands";
const EVALUATES: &str = "it runs Python code that it is given";
const REACHES: &str = "it reaches any attribute of any object, and so any function";
const CALLS: &str = "it calls what it is given";
const IMPORTS: &str = "it imports modules";
const FILES: &str = "it reads, writes or removes files";
const NETWORK: &str = "it opens connections";
const LOADS: &str = "it unpickles, or loads code, from what it is given";
const NATIVE: &str = "it calls native code";
const PROCESS: &str = "it changes or ends the process";

/// Modules with the names in them that can run code, or all of them where none is listed.
const RUNS_CODE: &[(&str, &[&str], &str)] = &[
    ("os", &[], COMMANDS),
    ("posix", &[], COMMANDS),
    ("nt", &[], COMMANDS),
    ("subprocess", &[], COMMANDS),
    ("_posixsubprocess", &[], COMMANDS),
    ("commands", &[], COMMANDS),
    ("popen2", &[], COMMANDS),
    ("pty", &[], COMMANDS),
    ("asyncio", &[], COMMANDS),
    ("_winapi", &[], COMMANDS),
    ("platform", &[], COMMANDS),
    ("_aix_support", &[], COMMANDS),
    ("_osx_support", &[], COMMANDS),
    ("_pyrepl", &[], COMMANDS),
    ("numpy.distutils", &[], COMMANDS),
    ("pexpect", &[], COMMANDS),
    ("test", &[], COMMANDS),
    ("torch.utils.collect_env", &[], COMMANDS),
    ("uuid", &["_get_command_stdout", "_popen", "_find_mac", "_find_mac_near_keyword"], COMMANDS),
    ("webbrowser", &[], COMMANDS),
    ("multiprocessing", &[], COMMANDS),
    ("torch.multiprocessing", &[], COMMANDS),
    ("torch.utils.cpp_extension", &[], COMMANDS),
    ("torch.utils.bottleneck", &[], COMMANDS),
    ("torch.distributed", &[], COMMANDS),
    ("builtins", &["eval", "exec", "compile"], EVALUATES),
    ("__builtin__", &["eval", "compile", "execfile", "input"], EVALUATES),
    ("builtins", &["getattr", "setattr", "delattr", "vars", "globals", "locals", "type", "super"], REACHES),
    (
        "__builtin__",
        &["getattr", "setattr", "delattr", "vars", "globals", "locals", "type", "super"],
        REACHES,
    ),
    ("builtins", &["map", "filter", "sorted", "max", "min", "iter", "next", "apply"], CALLS),
    ("__builtin__", &["map", "filter", "sorted", "max", "min", "iter", "next", "apply", "reduce"], CALLS),
    ("builtins", &["__import__"], IMPORTS),
    ("__builtin__", &["__import__", "reload"], IMPORTS),
    ("_frozen_importlib", &[], IMPORTS),
    ("_frozen_importlib_external", &[], IMPORTS),
    ("builtins", &["open"], FILES),
    ("__builtin__", &["open", "file"], FILES),
    ("builtins", &["breakpoint", "exit", "quit", "input", "print"], PROCESS),
    ("__builtin__", &["breakpoint", "exit", "quit"], PROCESS),
    ("code", &[], EVALUATES),
    ("codeop", &[], EVALUATES),
    ("bdb", &[], EVALUATES),
    ("pdb", &[], EVALUATES),
    ("cProfile", &[], EVALUATES),
    ("profile", &[], EVALUATES),
    ("trace", &[], EVALUATES),
    ("timeit", &[], EVALUATES),
    ("doctest", &[], EVALUATES),
    ("lib2to3", &[], EVALUATES),
    ("idlelib", &[], EVALUATES),
    ("runpy", &[], EVALUATES),
    (
        "types",
        &["CodeType", "FunctionType", "LambdaType", "MethodType", "ModuleType", "coroutine"],
        EVALUATES,
    ),
    ("torch._inductor", &[], EVALUATES),
    ("torch._dynamo", &[], EVALUATES),
    ("torch.jit", &[], EVALUATES),
    ("torch.fx", &[], EVALUATES),
    ("torch", &["compile"], EVALUATES),
    ("unittest", &[], EVALUATES),
    ("compileall", &[], EVALUATES),
    ("py_compile", &[], EVALUATES),
    ("numpy.testing", &[], EVALUATES),
    ("numpy.f2py", &[], EVALUATES),
    ("numpy.core._multiarray_tests", &[], EVALUATES),
    ("pandas.core.computation", &[], EVALUATES),
    ("sympy", &[], EVALUATES),
    ("operator", &[], REACHES),
    ("_operator", &[], REACHES),
    ("inspect", &[], REACHES),
    ("gc", &[], REACHES),
    ("functools", &[], CALLS),
    ("_functools", &[], CALLS),
    ("itertools", &["starmap", "accumulate", "groupby", "filterfalse", "takewhile", "dropwhile"], CALLS),
    ("threading", &[], CALLS),
    ("_thread", &[], CALLS),
    ("thread", &[], CALLS),
    ("concurrent", &[], CALLS),
    ("sched", &[], CALLS),
    ("atexit", &[], CALLS),
    ("signal", &[], CALLS),
    ("_signal", &[], CALLS),
    ("weakref", &["finalize"], CALLS),
    ("importlib", &[], IMPORTS),
    ("imp", &[], IMPORTS),
    ("_imp", &[], IMPORTS),
    ("pkgutil", &[], IMPORTS),
    ("zipimport", &[], IMPORTS),
    ("pydoc", &[], IMPORTS),
    ("site", &[], IMPORTS),
    ("pip", &[], IMPORTS),
    ("ensurepip", &[], IMPORTS),
    ("setuptools", &[], IMPORTS),
    ("distutils", &[], IMPORTS),
    ("venv", &[], IMPORTS),
    ("io", &["open", "open_code", "FileIO"], FILES),
    ("_io", &["open", "open_code", "FileIO"], FILES),
    ("codecs", &["open"], FILES),
    ("shutil", &[], FILES),
    ("tempfile", &[], FILES),
    ("glob", &[], FILES),
    ("fileinput", &[], FILES),
    ("linecache", &[], FILES),
    ("pathlib", &["Path"], FILES),
    ("zipfile", &[], FILES),
    ("tarfile", &[], FILES),
    ("sqlite3", &[], FILES),
    ("_sqlite3", &[], FILES),
    ("filecmp", &[], FILES),
    ("logging", &["FileHandler", "config", "handlers"], FILES),
    ("numpy", &["fromfile", "load", "loadtxt", "genfromtxt", "savetxt", "save", "memmap"], FILES),
    ("socket", &[], NETWORK),
    ("_socket", &[], NETWORK),
    ("ssl", &[], NETWORK),
    ("http", &["client", "server"], NETWORK),
    ("urllib", &[], NETWORK),
    ("urllib2", &[], NETWORK),
    ("httplib", &[], NETWORK),
    ("ftplib", &[], NETWORK),
    ("smtplib", &[], NETWORK),
    ("telnetlib", &[], NETWORK),
    ("imaplib", &[], NETWORK),
    ("nntplib", &[], NETWORK),
    ("poplib", &[], NETWORK),
    ("select", &[], NETWORK),
    ("selectors", &[], NETWORK),
    ("socketserver", &[], NETWORK),
    ("xmlrpc", &[], NETWORK),
    ("requests", &[], NETWORK),
    ("aiohttp", &[], NETWORK),
    ("httpx", &[], NETWORK),
    ("pickle", &[], LOADS),
    ("_pickle", &[], LOADS),
    ("cPickle", &[], LOADS),
    ("dill", &[], LOADS),
    ("cloudpickle", &[], LOADS),
    ("joblib", &["load", "numpy_pickle.load", "externals", "memory", "parallel"], LOADS),
    ("marshal", &[], LOADS),
    ("shelve", &[], LOADS),
    ("torch", &["load", "hub", "package"], LOADS),
    ("torch.serialization", &["load"], LOADS),
    ("torch.storage", &["_load_from_bytes"], LOADS),
    ("torch.utils._config_module", &[], LOADS),
    ("torch.utils.data.datapipes.utils.decoder", &[], LOADS),
    ("pandas", &["read_pickle"], LOADS),
    ("pandas.io", &[], LOADS),
    ("ctypes", &[], NATIVE),
    ("_ctypes", &[], NATIVE),
    ("cffi", &[], NATIVE),
    ("mmap", &[], NATIVE),
    ("sys", &[], PROCESS),
    ("faulthandler", &[], PROCESS),
    ("resource", &[], PROCESS),
    ("syslog", &[], PROCESS),
    ("nturl2path", &[], PROCESS),
];

/// Parts of a dotted name that reach further than the name's beginning says.
const PARTS: &[(&str, &str)] = &[
    ("__builtins__", REACHES),
    ("__class__", REACHES),
    ("__dict__", REACHES),
    ("__getattribute__", REACHES),
    ("__globals__", REACHES),
    ("__import__", IMPORTS),
    ("__reduce__", REACHES),
    ("__reduce_ex__", REACHES),
    ("__subclasses__", REACHES),
    ("eval", EVALUATES),
    ("exec", EVALUATES),
    ("os", COMMANDS),
    ("posix", COMMANDS),
    ("subprocess", COMMANDS),
    ("sys", PROCESS),
    ("system", COMMANDS),
    ("popen", COMMANDS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        assert!(HARMLESS.is_sorted());
    }

    #[test]
    fn meanings() {
        let rows = [
            ("os.system", "runs_code"),
            ("nt.system", "runs_code"),
            ("__builtin__.eval", "runs_code"),
            ("builtins.getattr", "runs_code"),
            ("builtins.set", "harmless"),
            ("numpy.core.multiarray._reconstruct", "harmless"),
            ("torch._utils._rebuild_tensor_v2", "harmless"),
            ("torch._utils._rebuild_tensor_v3", "unknown"),
            ("statistics.sys.modules", "runs_code"),
            ("osmium.Reader", "unknown"),
            ("mypkg.os_path.Thing", "unknown"),
            ("PERSID", "unknown"),
            ("EXT1 5", "unknown"),
            ("REDUCE", "unknown"),
        ];
        for (name, word) in rows {
            assert_eq!(meaning(name).as_str(), word, "{name}");
        }
    }
}
