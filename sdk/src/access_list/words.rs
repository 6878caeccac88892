//! What a list claims, warns of and cannot say, in the two languages in which every form of it speaks.

use super::{AccessList, Quarter};
use crate::import::time::instant;
use medanchor_ledger::rules::Decision;
use medanchor_vault::Epoch;
use serde::Serialize;

/// The same in English and in Chinese.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

impl Said {
    /// What is written alike in both.
    #[must_use]
    pub fn same(words: String) -> Self {
        Self {
            en: words.clone(),
            zh: words,
        }
    }

    fn new(en: &str, zh: &str) -> Self {
        Self {
            en: en.into(),
            zh: zh.into(),
        }
    }
}

/// What no list of accesses can say (DESIGN.md section 7, The claim).
#[must_use]
pub fn limits() -> [Said; 4] {
    [
        Said::new(
            "Who looked at a screen or a copy after an opening that is listed.",
            "列出的打开之后，谁看过屏幕或副本。",
        ),
        Said::new(
            "Anything of records that were never anchored, or were sealed under somebody else's tag.",
            "从未上链的记录，或封存在他人标签下的记录。",
        ),
        Said::new(
            "That nobody else opened a record that is not in custody: its owner holds the key alone, and needs no event to use it.",
            "没有分给保管人的记录是否还被别人打开过：保存它的机构独自持有密钥，使用时不必留下事件。",
        ),
        Said::new(
            "That the custodians of a record did not open it together in secret, or that whoever wrote it kept no copy and no key.",
            "一条记录的保管人是否曾私下合谋打开它，或写入它的机构是否另留了副本或密钥。",
        ),
    ]
}

/// A quarter of a year as people write it: `2026-Q1`.
#[must_use]
pub fn quarter_name(quarter: Epoch) -> String {
    format!("{}-Q{}", 1970 + quarter.0 / 4, quarter.0 % 4 + 1)
}

impl Quarter {
    /// Of what was sealed in it, what was proved, in one sentence without its full stop.
    #[must_use]
    pub fn said(&self) -> Said {
        let name = quarter_name(self.epoch);
        match &self.proved {
            Ok(proof) => {
                let (count, height, time) = (proof.count, proof.height, instant(proof.time));
                Said {
                    en: format!("{name}: exactly {count} events, up to height {height} of {time}"),
                    zh: format!("{name}：恰好 {count} 个事件，截至 {time} 的高度 {height}"),
                }
            }
            Err(why) => Said {
                en: format!("{name}: not proved: {why}"),
                zh: format!("{name}：没有证明：{why}"),
            },
        }
    }
}

impl AccessList {
    /// How many accesses it has, and up to when. It says "exactly" only where no gap is named.
    #[must_use]
    pub fn claim(&self) -> Said {
        let permitted = |entry: &&super::AccessEntry| entry.decision == Decision::Permitted;
        let opened = self.entries.iter().filter(permitted).count();
        let denied = self.entries.len() - opened;
        let (en, zh) = match self.gaps.is_empty() {
            true => ("exactly", "恰好"),
            false => ("at least", "至少"),
        };
        let (until, size) = (instant(self.until), self.size.0);
        Said {
            en: format!(
                "Up to {until} (checkpoint of {size} entries): {en} {opened} accesses, and {denied} that were denied."
            ),
            zh: format!(
                "截至 {until}（日志有 {size} 条的检查点）：{zh} {opened} 次访问，另有 {denied} 次被拒绝。"
            ),
        }
    }

    /// What has to be read before the list is: that it is not complete, or is old.
    #[must_use]
    pub fn warnings(&self) -> Vec<Said> {
        let mut all = Vec::new();
        if !self.is_whole() {
            all.push(Said::new(
                "THIS LIST IS NOT COMPLETE: see the gaps below.",
                "本清单不完整：见下面的缺口。",
            ));
        }
        if self.is_stale() {
            let seconds = self.age / 1000;
            all.push(Said {
                en: format!(
                    "THIS LIST IS OLD: it rests on a block of {seconds} seconds ago. Ask another node."
                ),
                zh: format!("本清单已过时：它所依据的区块在 {seconds} 秒以前。请换一个节点查询。"),
            });
        }
        all
    }
}
