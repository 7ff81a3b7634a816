//! Text and the columns it takes: a letter may take none, one or two of them, and a color takes none.

use std::iter::Peekable;

/// How many columns the text takes.
pub(crate) fn columns(text: &str) -> usize {
    console::measure_text_width(text)
}

/// The text if it fits, else its beginning and an ellipsis.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut cut = beginning(text, most.saturating_sub(1)).to_owned();
    cut.push('…');
    cut
}

/// The text and as many spaces as it lacks of `width` columns.
pub(crate) fn padded(text: &str, width: usize) -> String {
    let gap = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(gap))
}

/// The words of the text in lines of at most so many columns; a word that is longer goes on in the next line.
pub(crate) fn broken(text: &str, most: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && most < columns(&line) + 1 + columns(word) {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        while most < columns(&line) {
            let first = beginning(&line, most).to_owned();
            line = line.split_off(first.len());
            lines.push(first);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// As much of the text as fits into so many columns, one letter at least. Never a part of a color.
fn beginning(text: &str, most: usize) -> &str {
    let (mut end, mut used) = (0, 0);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let length = letter.len_utf8() + color_after(letter, &mut letters);
        let width = if letter == '\u{1b}' {
            0
        } else {
            columns(letter.encode_utf8(&mut [0; 4]))
        };
        if most < used + width && 0 < used {
            break;
        }
        (end, used) = (end + length, used + width);
    }
    text.get(..end).unwrap_or(text)
}

/// The bytes of the rest of a color that begins with `letter`; they are taken from `letters`.
fn color_after(letter: char, letters: &mut Peekable<impl Iterator<Item = char>>) -> usize {
    let mut length = 0;
    if letter == '\u{1b}' {
        for letter in letters.by_ref() {
            length += letter.len_utf8();
            if letter == 'm' {
                break;
            }
        }
    }
    length
}

/// The text with every line that is wider than `most` columns broken at its spaces, and indented as it was.
pub(crate) fn fitted(text: &str, most: usize) -> String {
    let mut fitted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (body, end) = line
            .strip_suffix('\n')
            .map_or((line, ""), |body| (body, "\n"));
        if columns(body) <= most {
            fitted.push_str(body);
        } else {
            fitted.push_str(&wrapped(body, most).join("\n"));
        }
        fitted.push_str(end);
    }
    fitted
}

fn wrapped(line: &str, most: usize) -> Vec<String> {
    let bare = console::strip_ansi_codes(line);
    let own = bare.len() - bare.trim_start_matches(' ').len();
    let indent = " ".repeat((own + 2).min(most / 2));
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in line.split_inclusive(' ') {
        if most < columns(&current) + columns(word.trim_end_matches(' '))
            && indent.len() < columns(current.trim_end_matches(' '))
        {
            lines.push(current.trim_end_matches(' ').to_owned());
            current = indent.clone();
        }
        current.push_str(word);
        while most < columns(current.trim_end_matches(' ')) {
            let first = beginning(&current, most).to_owned();
            current = format!("{indent}{}", current.split_off(first.len()));
            lines.push(first);
        }
    }
    lines.push(current.trim_end_matches(' ').to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays_as_it_is() {
        let text = "  a  b\n\n\u{1b}[1mbold\u{1b}[0m\n";
        assert_eq!(fitted(text, 6), text);
        assert_eq!(fitted("", 6), "");
    }

    #[test]
    fn long_lines_are_broken_at_spaces_and_indented_as_they_were() {
        let rows = [
            ("one two three", "one two\n  three"),
            ("  one two three", "  one two\n    three"),
            ("abcdefghijklmnop", "abcdefghi\n  jklmnop"),
            ("支店の名前が長い", "支店の名\n  前が長\n  い"),
            (
                "\u{1b}[1mone two three\u{1b}[0m",
                "\u{1b}[1mone two\n  three\u{1b}[0m",
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(fitted(text, 9), expected);
            for line in fitted(text, 9).lines() {
                assert!(columns(line) <= 9, "{line}");
            }
        }
    }

    #[test]
    fn nothing_is_lost_when_a_word_is_longer_than_the_line() {
        let arn = "arn:aws:iam::123456789012:role/OrganizationAccountAccessRole";
        let lines = broken(&format!("user {arn} may not"), 20);
        assert!(lines.iter().all(|line| columns(line) <= 20), "{lines:?}");
        assert!(lines.concat().replace(' ', "").contains(arn), "{lines:?}");
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(columns("支店"), 4);
        assert_eq!(cut("支店の名前", 5), "支店…");
        assert_eq!(padded("支店", 6), "支店  ");
        assert_eq!(cut("plain", 5), "plain");
    }
}
