//! CRC-32 as in zlib, Ethernet and POSIX `cksum -o 3` (ISO 3309; check value cbf43926).
//!
//! It finds what a disk or a loss of power did to a line. It is no proof against a person: whoever
//! can write the file can write the sum. Own code because the budget of 32 crates is used up, and
//! because all of it is one table and one loop; the table is made at compile time, and eight bytes
//! are taken at a time, so that opening a large journal is not spent on sums.

/// The reflected polynomial.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// `TABLES[k][b]`: what the byte `b` adds to the sum when `k` more bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0_u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// The sum of these bytes.
pub fn sum(bytes: &[u8]) -> u32 {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let mut sum = u32::MAX;
    for [a, b, c, d, e, f, g, h] in chunks {
        let [a, b, c, d] = (sum ^ u32::from_le_bytes([*a, *b, *c, *d])).to_le_bytes();
        sum = at(7, a) ^ at(6, b) ^ at(5, c) ^ at(4, d) ^ at(3, *e) ^ at(2, *f) ^ at(1, *g) ^ at(0, *h);
    }
    for byte in rest {
        let [low, ..] = sum.to_le_bytes();
        sum = (sum >> 8) ^ at(0, low ^ byte);
    }
    !sum
}

/// In bounds whatever the byte is: a table has 256 entries.
fn at(table: usize, byte: u8) -> u32 {
    TABLES[table][usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_and_known_sums_come_out() {
        assert_eq!(sum(b"123456789"), 0xcbf4_3926);
        assert_eq!(sum(b""), 0);
        assert_eq!(sum(b"a"), 0xe8b7_be43);
        assert_eq!(sum(b"The quick brown fox jumps over the lazy dog"), 0x414f_a339);
    }

    #[test]
    fn eight_bytes_at_a_time_give_what_one_bit_at_a_time_gives() {
        let bytes: Vec<u8> = (0..1_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for length in (0..64).chain([999, 1_000]) {
            let mut slow = u32::MAX;
            for byte in &bytes[..length] {
                slow ^= u32::from(*byte);
                for _ in 0..8 {
                    slow = if slow & 1 == 1 { (slow >> 1) ^ POLYNOMIAL } else { slow >> 1 };
                }
            }
            assert_eq!(sum(&bytes[..length]), !slow, "{length}");
        }
    }

    #[test]
    fn every_changed_bit_changes_the_sum() {
        let mut bytes = *b"{\"n\":17,\"type\":\"accepted\"}";
        let right = sum(&bytes);
        for at in 0..bytes.len() * 8 {
            bytes[at / 8] ^= 1 << (at % 8);
            assert_ne!(sum(&bytes), right, "bit {at}");
            bytes[at / 8] ^= 1 << (at % 8);
        }
    }
}
