//! Values that are text where people read them and something shorter where they do not.

/// Serde for a newtype: its `Display` and `FromStr` in formats for people, what it wraps in the others.
/// The third argument makes the value of what it wraps.
#[macro_export]
macro_rules! text_for_people {
    ($name:ty, $inner:ty, $from:expr) => {
        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() {
                    to.collect_str(self)
                } else {
                    ::serde::Serialize::serialize(&self.0, to)
                }
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if from.is_human_readable() {
                    <String as ::serde::Deserialize>::deserialize(from)?
                        .parse()
                        .map_err(::serde::de::Error::custom)
                } else {
                    <$inner as ::serde::Deserialize>::deserialize(from).map($from)
                }
            }
        }
    };
}
