//! Lower-case hexadecimal text for fixed-size values: `Display`, `Debug` and a strict `FromStr`.

macro_rules! hex_text {
    ($name:ident, $length:literal) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let mut digits = [0u8; $length * 2];
                // Twice the room of the bytes is what their digits take.
                hex::encode_to_slice(self.0, &mut digits).map_err(|_| std::fmt::Error)?;
                f.write_str(std::str::from_utf8(&digits).map_err(|_| std::fmt::Error)?)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::ParseError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0u8; $length];
                let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if lower => Ok(Self(bytes)),
                    _ => Err($crate::ParseError::Hex {
                        what: stringify!($name),
                        digits: $length * 2,
                    }),
                }
            }
        }
    };
}

pub(crate) use hex_text;
