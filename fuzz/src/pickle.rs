//! The targets over pickles.

use pickle_codec::{
    DecodeOptions, Decoder, EncodeOptions, ErrorKind, Globals, Opcode, Protocol, PushDecoder, Py2Str,
    Surrogates,
};

use super::heap;

const POLICIES: [Globals; 3] = [Globals::Reject, Globals::Known, Globals::Inert];

/// Under every policy: no panic, memory within its bound, an error that points into the input, and from a
/// decoder that was used before the same answer as from a new one.
pub fn decode(data: &[u8]) {
    let choice = data.first().copied().unwrap_or(0);
    let py2_str = [Py2Str::Auto, Py2Str::Utf8, Py2Str::Latin1, Py2Str::Bytes][usize::from(choice & 3)];
    let surrogates =
        [Surrogates::Keep, Surrogates::Strict, Surrogates::Replace][usize::from(choice >> 2) % 3];
    for globals in POLICIES {
        let options = DecodeOptions::new().globals(globals).py2_str(py2_str).surrogates(surrogates);
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
    'feeding: for piece in super::pieces(data) {
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
    for globals in [Globals::Known, Globals::Inert] {
        let mut decoder = Decoder::with_options(DecodeOptions::new().globals(globals));
        let Ok(document) = decoder.decode(data) else { continue };
        let names = pickle_codec::instructions(data).flatten().any(|instruction| {
            matches!(instruction.opcode, Opcode::Global | Opcode::StackGlobal | Opcode::Inst)
        });
        for protocol in Protocol::ALL {
            for memo in [true, false] {
                let options = EncodeOptions::new(protocol).memo(memo);
                let encoded = match document.to_vec_with(options) {
                    Ok(encoded) => encoded,
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Data, "{protocol:?}: {error}");
                        continue;
                    }
                };
                match decoder.decode(&encoded) {
                    Ok(again) => {
                        let (here, there) = (document.root(), again.root());
                        // Names are spelled as the protocol has them, and each is one object however often it
                        // was written. Protocol 0 has one word for all NaNs.
                        let same = names || here.eq_graph(there);
                        let worded =
                            protocol == Protocol::V0 && encoded.windows(5).any(|part| part == b"Fnan\n");
                        assert!(worded || same, "{protocol:?}, memo {memo}: {encoded:02x?}");
                        let twice = again.to_vec_with(options).expect("it encoded before");
                        assert!(names || twice == encoded, "{protocol:?}, memo {memo}: {encoded:02x?}");
                    }
                    // The bound of memory follows the input's length, and the encoding can be shorter.
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Budget, "{protocol:?}: {error}: {encoded:02x?}");
                    }
                }
            }
        }
    }
}
