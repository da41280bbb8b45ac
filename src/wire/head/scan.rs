//! Finding the end of a head while its bytes arrive.

use super::HeadError;
use crate::limits;

/// Finds the end of a head in bytes that arrive piece by piece, and refuses what can be refused
/// before the end is there. Every byte is looked at once, and what comes out does not depend on how
/// the bytes were cut into pieces.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// bytes looked at; at most `limits::HEAD`, and `limits::REQUEST_LINE` while `lines` is 0
    seen: usize,
    /// complete lines so far, the request line among them; at most `limits::HEADERS` + 1
    lines: usize,
    /// whether the current line has a byte other than the CR of its end
    begun: bool,
    /// whether the last byte looked at was a CR
    after_cr: bool,
}

impl Scan {
    /// Looks at the bytes of `buf` that are new since the last call; `buf` only ever grows at its
    /// end. `Some(n)`: the head is `buf[..n]`, its last four bytes CRLF CRLF.
    pub fn advance(&mut self, buf: &[u8]) -> Result<Option<usize>, HeadError> {
        loop {
            // The last byte of a head or of a request line may be the limit's, none may follow it.
            if self.seen >= limits::HEAD {
                return Err(HeadError::TooLarge);
            }
            if self.lines == 0 && self.seen >= limits::REQUEST_LINE {
                return Err(HeadError::RequestLineTooLong);
            }
            let Some(&byte) = buf.get(self.seen) else { return Ok(None) };
            match (self.after_cr, byte) {
                (true, b'\n') => {
                    self.seen += 1;
                    self.after_cr = false;
                    match (self.begun, self.lines) {
                        // RFC 9112, 2.2 lets a server skip such lines; two readers that differ in
                        // it see two different requests.
                        (false, 0) => {
                            return Err(HeadError::Malformed("an empty line stands before the request line"));
                        }
                        (false, _) => return Ok(Some(self.seen)),
                        (true, _) => {
                            self.lines += 1;
                            self.begun = false;
                        }
                    }
                }
                (true, _) => return Err(HeadError::Malformed("a CR stands without LF")),
                (false, b'\n') => return Err(HeadError::Malformed("a line ends in LF without CR")),
                (false, b'\r') => {
                    self.seen += 1;
                    self.after_cr = true;
                }
                // A field line has begun, so a field too many is there whatever it will say.
                (false, _) if self.lines > limits::HEADERS => return Err(HeadError::TooManyFields),
                (false, byte) if is_text(byte) => {
                    self.begun = true;
                    let most = if self.lines == 0 { limits::REQUEST_LINE } else { limits::HEAD };
                    let new = buf.get(self.seen..buf.len().min(most)).unwrap_or_default();
                    self.seen += new.iter().position(|b| !is_text(*b)).unwrap_or(new.len());
                }
                (false, _) => return Err(HeadError::Malformed("a control byte stands in the head")),
            }
        }
    }
}

/// What may stand inside a line: HTAB, SP, visible ASCII and obs-text (RFC 9110, 5.5).
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..=0xff)
}
