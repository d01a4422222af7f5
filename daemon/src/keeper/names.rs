//! What the names of jobs stand for, by the link's word.
//!
//! A worker brings its job's names along, but a worker that was taken over by its target could bring
//! others: it is granted only what the link has told of that job.

use std::collections::VecDeque;

use vedette_protocol::{
    JobId,
    scope::{ADDRESSES_PER_NAME, Resolved},
};

/// More jobs than run at once; the oldest is forgotten for the newest.
const JOBS_LIMIT: usize = 16;

/// The names of jobs.
#[derive(Debug, Default)]
pub struct Names(VecDeque<(JobId, Vec<Resolved>)>);

/// A name stands for more addresses than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name of more than {ADDRESSES_PER_NAME} addresses")]
pub struct TooManyAddresses;

impl Names {
    /// Takes the link's word for a job.
    ///
    /// # Errors
    /// When a name stands for too many addresses.
    pub fn tell(&mut self, job: JobId, names: Vec<Resolved>) -> Result<(), TooManyAddresses> {
        if names.iter().any(|name| name.addresses.len() > ADDRESSES_PER_NAME) {
            return Err(TooManyAddresses);
        }
        self.0.retain(|(known, _)| *known != job);
        if self.0.len() == JOBS_LIMIT {
            self.0.pop_front();
        }
        self.0.push_back((job, names));
        Ok(())
    }

    /// What was told of a job; nothing of a job that has no names.
    pub fn of(&self, job: JobId) -> &[Resolved] {
        let told = self.0.iter().find(|(known, _)| *known == job);
        told.map(|(_, names)| names.as_slice()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(address: &str) -> Vec<Resolved> {
        vec![Resolved {
            name: "db.lan".parse().unwrap(),
            addresses: vec![address.parse().unwrap()],
        }]
    }

    #[test]
    fn the_last_word_counts_and_the_oldest_job_is_forgotten() {
        let mut told = Names::default();
        let job = |number: u8| JobId([number; 16]);
        assert!(told.of(job(0)).is_empty());
        told.tell(job(0), names("192.0.2.1")).unwrap();
        told.tell(job(0), names("192.0.2.2")).unwrap();
        assert_eq!(told.of(job(0)), names("192.0.2.2"));
        for number in 1..=16 {
            told.tell(job(number), names("192.0.2.3")).unwrap();
        }
        assert!(told.of(job(0)).is_empty());
        assert_eq!(told.of(job(16)), names("192.0.2.3"));
    }

    #[test]
    fn a_name_of_a_whole_network_is_refused() {
        let addresses = (0..=16u8).map(|last| [192, 0, 2, last].into()).collect();
        let whole = vec![Resolved {
            name: "db.lan".parse().unwrap(),
            addresses,
        }];
        assert_eq!(
            Names::default().tell(JobId([1; 16]), whole),
            Err(TooManyAddresses)
        );
    }
}
