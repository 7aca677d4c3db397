//! A line of the time zone database.

/// What a line is about, and the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    kind: Kind,
    key: String,
    line: String,
}

/// By its first letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rule,
    Zone,
    Link,
    /// A comment, or one more period of the zone above.
    Other,
}

impl Record {
    pub(crate) fn parse(line: &str) -> Record {
        let mut fields = line.split(' ');
        let (kind, key) = match fields.next() {
            Some("R") => (Kind::Rule, fields.next()),
            Some("Z") => (Kind::Zone, fields.next()),
            // The name that is linked comes second.
            Some("L") => (Kind::Link, fields.nth(1)),
            first => (Kind::Other, first),
        };
        Record { kind, key: key.unwrap_or_default().to_owned(), line: line.to_owned() }
    }

    /// What the service is asked for.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The line with what the service said before it.
    pub(crate) fn answered(self, answer: u64) -> String {
        let kind = match self.kind {
            Kind::Rule => "rule",
            Kind::Zone => "zone",
            Kind::Link => "link",
            Kind::Other => "-",
        };
        format!("{answer:016x} {kind} {}", self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_name() {
        let key = |line| Record::parse(line).key().to_owned();
        assert_eq!(key("R d 1916 o - Jun 14 23s 1 S"), "d");
        assert_eq!(key("Z Europe/Paris 0:9:21 - LMT 1891 Mar 16"), "Europe/Paris");
        assert_eq!(key("L Africa/Nairobi Indian/Mayotte"), "Indian/Mayotte");
        assert_eq!(key("# version 2024a"), "#");
        assert_eq!(key(""), "");
    }
}
