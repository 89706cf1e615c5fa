//! Base64 as Python reads it, for HTTP Basic and for parts of a multipart form. What it decodes may be a password, so it
//! is wiped when dropped.

use zeroize::Zeroizing;

/// `base64.b64decode(bytes)`: what is not of the alphabet is skipped, an end of padding ends it, missing padding is an
/// error. (A strict decoder would refuse headers and bodies that Django takes.)
pub fn decode(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let (mut digits, mut pads, mut left) = (0_u8, 0_u8, 0_u8);
    for &byte in bytes {
        let value = match byte {
            b'=' => {
                if digits >= 2 {
                    pads += 1;
                    if digits + pads >= 4 {
                        return Some(decoded);
                    }
                }
                continue;
            }
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        pads = 0;
        match digits {
            0 => left = value,
            1 => {
                decoded.push(left << 2 | value >> 4);
                left = value & 0x0F;
            }
            2 => {
                decoded.push(left << 4 | value >> 2);
                left = value & 0x03;
            }
            _ => decoded.push(left << 6 | value),
        }
        digits = (digits + 1) % 4;
    }
    (digits == 0).then_some(decoded)
}
