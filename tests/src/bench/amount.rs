//! How much of something, with its unit.

use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(super) struct Amount {
    // Of two amounts of one unit, the value decides which is less.
    unit: &'static str,
    value: f64,
}

impl Amount {
    /// Of a million bytes each.
    pub(super) fn megabytes(bytes: u64) -> Self {
        Self {
            unit: "MB",
            value: bytes as f64 / 1e6,
        }
    }

    /// Of 2^20 bytes each.
    pub(super) fn mebibytes(bytes: u64) -> Self {
        Self {
            unit: "MiB",
            value: bytes as f64 / 1_048_576.0,
        }
    }

    pub(super) fn seconds(time: Duration) -> Self {
        Self {
            unit: "s",
            value: time.as_secs_f64(),
        }
    }

    pub(super) fn milliseconds(time: Duration) -> Self {
        Self {
            unit: "ms",
            value: time.as_secs_f64() * 1e3,
        }
    }

    pub(super) fn ports(count: usize) -> Self {
        Self {
            unit: "ports",
            value: count as f64,
        }
    }

    pub(super) fn hosts(count: usize) -> Self {
        Self {
            unit: "hosts",
            value: count as f64,
        }
    }

    pub(super) fn settings(count: usize) -> Self {
        Self {
            unit: "settings",
            value: count as f64,
        }
    }

    pub(super) fn inputs(count: usize) -> Self {
        Self {
            unit: "inputs",
            value: count as f64,
        }
    }

    pub(super) fn pages(count: usize) -> Self {
        Self {
            unit: "pages",
            value: count as f64,
        }
    }

    /// On the average.
    pub(super) fn requests(value: f64) -> Self {
        Self {
            unit: "requests",
            value,
        }
    }

    /// Ports that are to be expected, on the average of many runs.
    pub(super) fn expected_ports(value: f64) -> Self {
        Self { unit: "ports", value }
    }

    pub(super) fn per_second(value: f64) -> Self {
        Self { unit: "/s", value }
    }

    /// Of a thousand million bytes each.
    pub(super) fn gigabytes_per_second(bytes: f64) -> Self {
        Self {
            unit: "GB/s",
            value: bytes / 1e9,
        }
    }

    pub(super) fn percent(value: f64) -> Self {
        Self { unit: "%", value }
    }

    pub(super) fn value(self) -> f64 {
        self.value
    }

    pub(super) fn unit(self) -> &'static str {
        self.unit
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.value, self.unit)
    }
}
