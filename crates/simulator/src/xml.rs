//! XML as the Query protocol answers it, written by hand: it is a third of
//! the work of a request.

use std::fmt::{Display, Write as _};

/// A document under construction.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    pub(crate) fn open(&mut self, tag: &str) {
        self.0.push('<');
        self.0.push_str(tag);
        self.0.push('>');
    }

    pub(crate) fn close(&mut self, tag: &str) {
        self.0.push_str("</");
        self.0.push_str(tag);
        self.0.push('>');
    }

    /// An element around whatever `inside` writes.
    pub(crate) fn element(&mut self, tag: &str, inside: impl FnOnce(&mut Self)) {
        self.open(tag);
        inside(self);
        self.close(tag);
    }

    /// An element with text in it.
    pub(crate) fn leaf(&mut self, tag: &str, text: &str) {
        self.open(tag);
        self.text(text);
        self.close(tag);
    }

    /// An element with something that needs no escaping: a number, a date.
    pub(crate) fn plain(&mut self, tag: &str, value: impl Display) {
        self.open(tag);
        // Writing to a String cannot fail.
        write!(self.0, "{value}").unwrap_or_default();
        self.close(tag);
    }

    /// A list: `<tag><member>…</member>…</tag>`.
    pub(crate) fn list<T>(
        &mut self,
        tag: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) {
        self.open(tag);
        for item in items {
            self.open("member");
            each(self, item);
            self.close("member");
        }
        self.close(tag);
    }

    pub(crate) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    pub(crate) fn text(&mut self, text: &str) {
        if !text
            .bytes()
            .any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | b'\r'))
        {
            self.0.push_str(text);
            return;
        }
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\r' => self.0.push_str("&#xD;"),
                other => self.0.push(other),
            }
        }
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Xml;

    #[test]
    fn text_is_escaped_and_markup_is_not() {
        let mut xml = Xml::default();
        xml.element("A", |xml| {
            xml.leaf("B", "a <b> & \"c\"");
            xml.list("C", [1, 2], |xml, n| xml.plain("D", n));
        });
        assert_eq!(
            xml.into_string(),
            "<A><B>a &lt;b&gt; &amp; &quot;c&quot;</B><C><member><D>1</D></member><member><D>2</D></member></C></A>"
        );
    }
}
