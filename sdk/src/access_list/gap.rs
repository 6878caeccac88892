//! What a list of accesses does not prove: of which time, of what, and why.

use super::words::{Said, quarter_name};
use crate::import::time::instant;
use medanchor_ledger::{RecordHandle, Time};
use medanchor_vault::Epoch;

/// Why the list says nothing of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GapReason {
    /// The owner's emergency path was in use.
    #[error(
        "the network could not be reached and the institution opened its own records; what it reports of this time is not proved"
    )]
    Unproven,
    /// The owner keeps its emergency key in a file.
    #[error(
        "the institution keeps its emergency key in a file, so it could open its own records unseen"
    )]
    KeyFile,
    /// The owner keeps its emergency key in a token, which counts what its own software opens.
    #[error(
        "the institution keeps its emergency key in a token that counts what its own software opens and that cannot be set back; whoever has the token's PIN could open its records unseen with other software"
    )]
    KeyToken,
    /// The owner once kept its emergency key in a file, or in a token that did not count what was opened: the
    /// ledger has one kind for both.
    #[error(
        "the institution once kept its emergency key in a file, or in a token that did not count its openings; whoever copied that file, or has that token's PIN, could open the records sealed by then unseen, then and since"
    )]
    KeyOnceFile,
    /// The owner once kept its emergency key in a token.
    #[error(
        "the institution once kept its emergency key in a token; whoever has that token's PIN could open the records sealed by then unseen with other software, then and since"
    )]
    KeyOnceToken,
    /// Entries of the owner's emergency journal were counted and are lost.
    #[error(
        "the institution opened its own records by its emergency key in this time and has lost the entries of its journal: nobody can say any more which records, or when"
    )]
    LostEntries,
    /// No proof could be had.
    #[error("no proof for this time could be had; ask again")]
    NoProof,
    /// No node proved, as of the list's moment, where the owner's emergency journal stands.
    #[error(
        "no node proved where the institution's emergency journal stands, so it may have opened its own records by an emergency key; ask another node"
    )]
    NoJournal,
    /// Quarters of the network's life that were not asked for.
    #[error(
        "not asked for: who opened records that were sealed in these quarters, then or at any time since, is not in this list"
    )]
    NotAsked,
    /// The institution has used another key for the subject.
    #[error(
        "the institution has used another key for this patient, under which events of these quarters stand or may stand: they are not in this list; ask for the list by that key, too"
    )]
    EarlierKey,
    /// A record whose key was never shared over custodians.
    #[error(
        "this record is not in custody: the institution that keeps it holds the key alone and can open it unseen"
    )]
    NotInCustody,
}

impl GapReason {
    /// The code that programs read; it never changes.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::KeyFile => "key-file",
            Self::KeyToken => "key-token",
            Self::KeyOnceFile => "key-once-file",
            Self::KeyOnceToken => "key-once-token",
            Self::LostEntries => "lost-entries",
            Self::NoProof => "no-proof",
            Self::NoJournal => "no-journal",
            Self::NotAsked => "not-asked",
            Self::EarlierKey => "earlier-key",
            Self::NotInCustody => "not-in-custody",
        }
    }

    /// The reason in Chinese.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Unproven => {
                "网络曾无法连通，机构自行打开了自己保存的记录；它对这段时间的说法没有证明"
            }
            Self::KeyFile => "机构把应急密钥保存在文件里，因此可以不留痕迹地打开自己保存的记录",
            Self::KeyToken => {
                "机构把应急密钥保存在令牌里，令牌会对机构自己的软件所打开的次数计数，且计数不能倒退；但持有令牌口令的人可以用其他软件不留痕迹地打开自己保存的记录"
            }
            Self::KeyOnceFile => {
                "机构曾把应急密钥保存在文件里，或保存在没有对打开次数计数的令牌里：复制过该文件或持有该令牌口令的人可以不留痕迹地打开此前封存的记录，当时和以后都可以"
            }
            Self::KeyOnceToken => {
                "机构曾把应急密钥保存在令牌里：持有令牌口令的人可以用其他软件不留痕迹地打开此前封存的记录，当时和以后都可以"
            }
            Self::LostEntries => {
                "机构在这段时间里用应急密钥打开过自己保存的记录，却丢失了日志中的条目：已无人能说明是哪些记录、何时打开"
            }
            Self::NoProof => "没有取得这段时间的证明；请重新查询",
            Self::NoJournal => {
                "没有节点证明该机构应急日志的现状，它可能用应急密钥打开过自己保存的记录；请换一个节点查询"
            }
            Self::NotAsked => {
                "没有查询：谁打开过在这些季度封存的记录，无论当时还是以后，都不在本清单里"
            }
            Self::EarlierKey => {
                "该机构为这位患者用过另一把密钥，这些季度里有或可能有其名下的事件，它们不在本清单里；请用那把密钥再查询一次"
            }
            Self::NotInCustody => {
                "这条记录的密钥没有分给保管人：保存它的机构独自持有密钥，可以不留痕迹地打开"
            }
        }
    }

    /// Whether accesses that the list was asked about may be missing for it: then it is not whole. An
    /// emergency path that may have been used is said, and does not count (docs/patient.md).
    #[must_use]
    pub const fn leaves_out(self) -> bool {
        match self {
            Self::Unproven
            | Self::KeyFile
            | Self::KeyToken
            | Self::KeyOnceFile
            | Self::KeyOnceToken => false,
            Self::LostEntries
            | Self::NoProof
            | Self::NoJournal
            | Self::NotAsked
            | Self::EarlierKey
            | Self::NotInCustody => true,
        }
    }
}

/// What a gap is about, where it is not about all records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GapOf {
    /// What was sealed in these quarters, whenever it was opened.
    Quarters {
        /// The first.
        first: Epoch,
        /// The last.
        last: Epoch,
    },
    /// One record.
    Record {
        /// The record.
        record: RecordHandle,
        /// Its address at the owner, where known.
        document: Option<String>,
    },
    /// So many entries of the owner's emergency journal.
    Entries(u64),
}

impl GapOf {
    /// What it is called: `2025-Q3 to 2025-Q4`, `Observation/7`.
    #[must_use]
    pub fn name(&self) -> Said {
        match self {
            Self::Quarters { first, last } if first == last => Said::same(quarter_name(*first)),
            Self::Quarters { first, last } => {
                let (first, last) = (quarter_name(*first), quarter_name(*last));
                Said {
                    en: format!("{first} to {last}"),
                    zh: format!("{first} 至 {last}"),
                }
            }
            Self::Record {
                document: Some(document),
                ..
            } => Said::same(document.clone()),
            Self::Record { record, .. } => Said {
                en: format!("record {record}"),
                zh: format!("记录 {record}"),
            },
            Self::Entries(1) => Said {
                en: "1 entry of the emergency journal".into(),
                zh: "应急日志的 1 个条目".into(),
            },
            Self::Entries(count) => Said {
                en: format!("{count} entries of the emergency journal"),
                zh: format!("应急日志的 {count} 个条目"),
            },
        }
    }
}

/// A time of which the list is not proved to be complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From when.
    pub from: Time,
    /// Until when; none while it lasts.
    pub until: Option<Time>,
    /// Why.
    pub why: GapReason,
    /// Of what; none if of all records.
    pub of: Option<GapOf>,
}

impl Gap {
    /// Of what was sealed in these quarters, the first first: those that follow each other as one gap. It may
    /// have been opened then or at any time since.
    #[cfg(any(feature = "client", test))]
    pub(crate) fn of_runs(quarters: impl IntoIterator<Item = Epoch>, why: GapReason) -> Vec<Self> {
        let mut runs: Vec<(Epoch, Epoch)> = Vec::new();
        for epoch in quarters {
            match runs.last_mut() {
                Some((_, last)) if last.0.checked_add(1) == Some(epoch.0) => *last = epoch,
                _ => runs.push((epoch, epoch)),
            }
        }
        let gap = |(first, last): (Epoch, Epoch)| Self {
            from: first.begin(),
            until: None,
            why,
            of: Some(GapOf::Quarters { first, last }),
        };
        runs.into_iter().map(gap).collect()
    }

    /// When, of what and why, in one sentence without its full stop.
    #[must_use]
    pub fn said(&self) -> Said {
        let from = instant(self.from);
        let until = self.until.map(instant);
        let of = self.of.as_ref().map(GapOf::name);
        let (en, zh) = of.map_or_else(Default::default, |of| {
            (format!("{}: ", of.en), format!("{}：", of.zh))
        });
        Said {
            en: format!(
                "{from} to {}: {en}{}",
                until.as_deref().unwrap_or("now"),
                self.why
            ),
            zh: format!(
                "{from} 至 {}：{zh}{}",
                until.as_deref().unwrap_or("现在"),
                self.why.zh()
            ),
        }
    }
}
