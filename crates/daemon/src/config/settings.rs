//! One place for each setting: its name, type, words, default and allowed values.

use super::error::ConfigError;
use super::section::Section;

/// A setting as docs/CONFIGURATION.md describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyDoc {
    /// Its name in its table.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) doc: &'static str,
    /// What may stand there.
    pub(crate) allowed: String,
    /// What it is when nobody sets it, as TOML.
    pub(crate) default: Option<&'static str>,
    /// Whether it has to be set.
    pub(crate) required: bool,
}

/// A table of the configuration.
pub(crate) trait Settings: Sized {
    /// What the table is for.
    const DOC: &'static str;

    /// Reads the table; unknown keys are found by [`Section::finish`].
    fn read(section: &Section<'_>) -> Result<Self, ConfigError>;

    /// Its settings.
    fn keys() -> Vec<KeyDoc>;
}

/// Declares a table: `name: Type = kind, default "TOML";`, `…, optional;` or `…, required;`.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $visibility:vis struct $struct:ident {
            $(
                $(#[doc = $doc:literal])+
                $name:ident: $type:ty = $kind:expr, $how:ident $($default:literal)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        $visibility struct $struct {
            $($(#[doc = $doc])+ pub(crate) $name: $type,)+
        }

        impl $crate::config::settings::Settings for $struct {
            const DOC: &'static str = concat!($($about, "\n"),+);

            fn read(
                section: &$crate::config::section::Section<'_>,
            ) -> Result<Self, $crate::config::error::ConfigError> {
                Ok(Self { $($name: section.$how(stringify!($name), &$kind $(, $default)?)?,)+ })
            }

            fn keys() -> Vec<$crate::config::settings::KeyDoc> {
                vec![$($crate::config::settings::KeyDoc {
                    name: stringify!($name),
                    doc: concat!($($doc, "\n"),+),
                    allowed: $kind.allowed,
                    default: [$($default)?].first().copied(),
                    required: stringify!($how) == "required",
                },)+]
            }
        }
    };
}
pub(crate) use settings;
