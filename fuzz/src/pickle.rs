//! The targets over pickles.

use pickle_codec::{
    DecodeOptions, Decoder, Document, EncodeOptions, ErrorKind, Globals, Opcode, Protocol, PushDecoder,
    Py2Str, Surrogates,
};

use super::heap;

const POLICIES: [Globals; 3] = [Globals::Reject, Globals::Known, Globals::Inert];
const PY2_STRS: [Py2Str; 4] = [Py2Str::Auto, Py2Str::Utf8, Py2Str::Latin1, Py2Str::Bytes];
const SURROGATES: [Surrogates; 3] = [Surrogates::Keep, Surrogates::Strict, Surrogates::Replace];

/// Under every policy: no panic, memory within its bound, an error that points into the input, and from a
/// decoder that was used before the same answer as from a new one.
pub fn decode(data: &[u8]) {
    for &globals in super::input::chosen(data, 0, &POLICIES) {
        for &py2_str in super::input::chosen(data, 1, &PY2_STRS) {
            for &surrogates in super::input::chosen(data, 2, &SURROGATES) {
                let options = DecodeOptions::new().globals(globals).py2_str(py2_str).surrogates(surrogates);
                decode_with(data, options);
            }
        }
    }
}

fn decode_with(data: &[u8], options: DecodeOptions) {
    let mut decoder = Decoder::with_options(options);
    let first = heap::within_bound(data.len(), || decoder.decode(data));
    let again = Decoder::with_options(decoder.options().clone()).decode(data);
    match (first, again) {
        (Ok(first), Ok(again)) => {
            assert!(first.root().eq_graph(again.root()));
            decoder.recycle(first);
            let third = decoder.decode(data).expect("it decoded twice already");
            assert!(third.root().eq_graph(again.root()));
            assert_eq!(third.root().structural_hash(), again.root().structural_hash());
        }
        (Err(first), Err(again)) => {
            assert_eq!(first, again);
            assert!(first.offset() <= data.len() as u64);
            assert!(first.global().is_none_or(|name| name.len() <= pickle_codec::MAX_ERROR_NAME_LEN));
        }
        (first, again) => panic!("{first:?} and then {again:?}"),
    }
}

/// Instructions come in order, without a gap, and a pickle that decodes is a whole listing of them.
pub fn instructions(data: &[u8]) {
    let mut all = pickle_codec::instructions(data);
    let mut last = None;
    let mut failed = None;
    loop {
        let start = all.offset();
        match all.next() {
            Some(Ok(instruction)) => {
                assert_eq!(instruction.offset, start);
                assert!(last.is_none_or(|last| last != Opcode::Stop), "an instruction behind STOP");
                last = Some(instruction.opcode);
            }
            Some(Err(error)) => {
                assert!(error.offset() <= data.len() as u64);
                failed = Some(error);
            }
            None => break,
        }
    }
    assert!(failed.is_some() || last == Some(Opcode::Stop));
    if let Ok((_, used)) = Decoder::new().decode_prefix(data) {
        // The decoder reads no further than the listing, which may know less of what is legal and never more.
        assert!(failed.is_none(), "it decodes, and yet {failed:?}");
        assert_eq!(used, all.offset());
    }
}

/// Fed in pieces, a stream of pickles gives the pickles of the whole, and fails where the whole does.
pub fn push(data: &[u8]) {
    let mut whole = Decoder::new();
    let mut expected = Vec::new();
    let mut rest = data;
    let error = loop {
        if rest.is_empty() {
            break None;
        }
        let (document, used) = match whole.decode_prefix(rest) {
            Ok(decoded) => decoded,
            Err(error) => break Some(error.kind()),
        };
        // Each pickle for itself, because limits grow with the input: what stands behind it must not
        // matter, or the split would. Only a FRAME may go on behind STOP.
        match whole.decode(&rest[..used]) {
            Ok(alone) => expected.push(alone),
            Err(error) if error.kind() == ErrorKind::Frame => expected.push(document),
            Err(error) => break Some(error.kind()),
        }
        rest = &rest[used..];
    };
    let mut decoder = PushDecoder::new();
    let mut found = 0;
    let mut failed = None;
    'feeding: for piece in super::input::pieces(data) {
        if let Err(error) = decoder.feed(piece) {
            failed = Some(error);
            break;
        }
        loop {
            match decoder.next_document() {
                Ok(Some(document)) => {
                    let expected = expected.get(found).expect("no more pickles than in the whole");
                    assert!(document.root().eq_graph(expected.root()));
                    found += 1;
                }
                Ok(None) => break,
                Err(error) => {
                    failed = Some(error);
                    break 'feeding;
                }
            }
        }
    }
    let failed = failed.or_else(|| decoder.finish().err());
    assert_eq!(
        error.is_some(),
        failed.is_some(),
        "the whole ends with {error:?}, the pieces with {failed:?}"
    );
    if failed.is_none() {
        assert_eq!(found, expected.len());
    }
}

/// What decodes encodes in every protocol that has a form for it, with and without the memo opcodes that nobody
/// needs, and decodes to the same graph.
pub fn roundtrip(data: &[u8]) {
    for &globals in super::input::chosen(data, 0, &[Globals::Known, Globals::Inert]) {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(globals));
        let Ok(document) = decoder.decode(data) else { continue };
        let spelling = Spelling::of(data);
        for &protocol in super::input::chosen(data, 1, &Protocol::ALL) {
            for &memo in super::input::chosen(data, 2, &[true, false]) {
                let options = EncodeOptions::new(protocol).memo(memo);
                encode_with(&mut decoder, &document, options, spelling);
            }
        }
    }
}

/// What a pickle has that another pickle of the same graph may write otherwise.
#[derive(Clone, Copy)]
struct Spelling {
    /// Names are spelled as the protocol has them, and each is one object however often it was written. NEWOBJ
    /// becomes one in the protocols without it.
    names: bool,
    /// Persistent ids have no place in the memo: each is written anew wherever it stands, as CPython does.
    persistent_ids: bool,
}

impl Spelling {
    fn of(data: &[u8]) -> Self {
        let has = |opcodes: &[Opcode]| {
            pickle_codec::instructions(data)
                .flatten()
                .any(|instruction| opcodes.contains(&instruction.opcode))
        };
        Self {
            names: has(&[
                Opcode::Global,
                Opcode::StackGlobal,
                Opcode::Inst,
                Opcode::Newobj,
                Opcode::NewobjEx,
            ]),
            persistent_ids: has(&[Opcode::Persid, Opcode::Binpersid]),
        }
    }
}

fn encode_with(decoder: &mut Decoder, document: &Document<'_>, options: EncodeOptions, spelling: Spelling) {
    let Spelling { names, persistent_ids } = spelling;
    let encoded = match document.to_vec_with(options) {
        Ok(encoded) => encoded,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Data, "{options:?}: {error}");
            return;
        }
    };
    match decoder.decode(&encoded) {
        Ok(again) => {
            let (here, there) = (document.root(), again.root());
            let same = names || here.eq_graph(there) || persistent_ids && here.eq_value(there);
            // Protocol 0 has one word for all NaNs.
            let worded =
                || options.protocol() == Protocol::V0 && encoded.windows(5).any(|part| part == b"Fnan\n");
            assert!(same || worded(), "{options:?}: {encoded:02x?}");
            let twice = again.to_vec_with(options).expect("it encoded before");
            // In protocol 0 a persistent id is a line, and its text no object that could be met elsewhere, too.
            let apart = persistent_ids && options.protocol() == Protocol::V0;
            assert!(names || apart || twice == encoded, "{options:?}: {encoded:02x?}");
        }
        // The bound of memory follows the input's length, and the encoding can be shorter.
        Err(error) => assert_eq!(error.kind(), ErrorKind::Budget, "{options:?}: {error}: {encoded:02x?}"),
    }
}
