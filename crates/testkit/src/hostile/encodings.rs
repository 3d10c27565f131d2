//! Instructions with operands at their boundaries.

/// Lengths that no input of these tests holds, and some that one does.
pub const LENGTHS: [u64; 9] =
    [1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, 1 << 40, 1 << 62, 1 << 63, (1 << 63) - 1, u64::MAX];

/// Every opcode with no operand at all, and with operands at the boundaries of what it takes.
pub fn encodings() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut add = |opcode: u8, operand: &[u8]| all.push([&[opcode], operand].concat());
    for opcode in b"(.012NQRabdelost)]}u" {
        add(*opcode, b"");
    }
    for opcode in [0x81, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x97, 0x98] {
        add(opcode, b"");
    }
    for opcode in b"Khq\x80\x82" {
        for operand in [0, 1, 5, 127, 255] {
            add(*opcode, &[operand]);
        }
    }
    for opcode in b"M\x83" {
        for operand in [0_u16, 1, 255, 256, u16::MAX] {
            add(*opcode, &operand.to_le_bytes());
        }
    }
    for opcode in b"Jrj\x84" {
        for operand in [0, 1, 255, 256, 257, 1 << 27, i32::MAX.unsigned_abs(), 1 << 31, u32::MAX] {
            add(*opcode, &operand.to_le_bytes());
        }
    }
    for number in [0.0, -0.0, 1.0, -1.5, f64::NAN, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE, 9.3e18, 5e-324]
    {
        add(b'G', &number.to_be_bytes());
    }
    let numbers = [
        "",
        "0",
        "00",
        "01",
        "-0",
        "+1",
        "-1",
        "7",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
    ];
    let odd = [
        "1L",
        "0x1",
        " 1",
        "1_0",
        "1e400",
        "-inf",
        "nan",
        "1e-400",
        ".",
        "L",
        "-",
        "\0",
        "99999999999999999999",
    ];
    for opcode in b"ILFgp" {
        for line in numbers.iter().chain(&odd) {
            add(*opcode, format!("{line}\n").as_bytes());
        }
    }
    for line in ["''", "'", "\"a\"", "'\\", "'\\'", "'\\x4'", "'\\400'", "'\\777'", "'\\q'", "a", ""] {
        add(b'S', format!("{line}\n").as_bytes());
    }
    for line in [
        b"".as_slice(),
        b"a",
        b"\xff",
        b"\\",
        b"\\u",
        b"\\ud800",
        b"\\\\u0041",
        b"\\U0011ffff",
        b"\\U0010ffff",
        b"\0\r",
    ] {
        add(b'V', &[line, b"\n"].concat());
        add(b'P', &[line, b"\n"].concat());
    }
    for names in [
        "m\nC",
        "\n",
        "m\n",
        "\nC",
        "os\nsystem",
        "_codecs\nencode",
        "builtins\nset",
        "decimal\nDecimal",
        "\u{e9}\nC",
    ] {
        add(b'c', format!("{names}\n").as_bytes());
        add(b'i', format!("{names}\n").as_bytes());
    }
    for opcode in b"U\x8cC\x8a" {
        for operand in
            [b"\0".as_slice(), b"\x01a", b"\x01\xff", b"\x02a", b"\xff", b"\x02\xff\xff", b"\x03\xed\xa0\x80"]
        {
            add(*opcode, operand);
        }
    }
    for opcode in b"TXB\x8b" {
        for operand in [
            b"\0\0\0\0".as_slice(),
            b"\x01\0\0\0a",
            b"\x01\0\0\0\xff",
            b"\x02\0\0\0a",
            b"\x03\0\0\0\xed\xa0\x80",
        ] {
            add(*opcode, operand);
        }
        for len in [1 << 31, i32::MAX.unsigned_abs(), u32::MAX] {
            add(*opcode, &len.to_le_bytes());
        }
    }
    for opcode in b"\x8d\x8e\x96\x95" {
        for operand in [
            b"\0\0\0\0\0\0\0\0".as_slice(),
            b"\x01\0\0\0\0\0\0\0a",
            b"\x01\0\0\0\0\0\0\0N",
            b"\x02\0\0\0\0\0\0\0a",
        ] {
            add(*opcode, operand);
        }
        for len in LENGTHS {
            add(*opcode, &len.to_le_bytes());
        }
    }
    all
}

/// What is on the stack and in the memo before a pair of instructions.
pub const BEFORE: [&[u8]; 5] = [
    b"]q\x00}q\x01Nq\x05(K\x01",
    b"",
    b"}q\x00(K\x01q\x05X\x06\0\0\0latin1q\x01\x86",
    b"N",
    b"\x8fq\x00cm\nC\nq\x01)",
];
