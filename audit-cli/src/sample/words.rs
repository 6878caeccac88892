//! An inspection in words, English and Chinese.
//!
//! What always holds: probabilities are rounded down, and what could not be shown counts as wrong, so
//! that the words never say more than the sample does.

use super::check::Counts;
use super::report::{Meaning, Report};
use crate::language::Language;
use medanchor_ledger::Time;
use medanchor_ledger::rules::DrawState;
use std::collections::BTreeSet;
use time::OffsetDateTime;

/// The most places that are listed on a line of text; JSON has all.
const LISTED: usize = 60;

impl Report<'_, '_> {
    /// What the draw means, in one paragraph.
    pub(crate) fn words(&self, lang: Language) -> String {
        match (self.checked.state, &self.meaning, lang) {
            (DrawState::Drawn, Some(meaning), Language::En) => self.english(meaning),
            (DrawState::Drawn, Some(meaning), Language::Zh) => self.chinese(meaning),
            (DrawState::Void, _, Language::En) => {
                "Nothing was drawn: too few validators gave an output in time. This inspection says nothing about the population.".to_owned()
            }
            (DrawState::Void, _, Language::Zh) => {
                "未抽出任何样本：按时提交随机输出的验证者不足法定数。本次抽查对总体没有任何结论。".to_owned()
            }
            (DrawState::Drawn, None, Language::En) => {
                "No item was opened to this audit, so it says nothing about the population: an answer is a commitment, which can be made of anything. Give the opened items with --items.".to_owned()
            }
            (DrawState::Drawn, None, Language::Zh) => {
                "本次审计未见任何已打开的条目，因此对总体没有任何结论：答复只是承诺值，可由任意内容生成。请用 --items 给出已打开的条目。".to_owned()
            }
            (_, _, Language::En) => "What is drawn is not known yet.".to_owned(),
            (_, _, Language::Zh) => "抽取结果尚未确定。".to_owned(),
        }
    }

    fn english(&self, meaning: &Meaning) -> String {
        let (items, drawn) = (self.checked.population.count, self.checked.places.len());
        let Meaning {
            bad, faulty, shows, ..
        } = meaning;
        let share = self.share;
        let mut words =
            "If the inspector found the opened items right, but for those given as wrong: "
                .to_owned();
        words.push_str(&match meaning.wrong {
            0 => format!(
                "if {share} percent or more of the {items} items ({bad} or more) were wrong or could not be shown, this sample of {drawn} would have shown at least one of them with a probability of at least {shows:.1} percent."
            ),
            wrong => format!(
                "{wrong} of the {drawn} drawn items were not shown or found to be wrong. If {share} percent or more of the {items} items ({bad} or more) were, the sample would have shown more with a probability of at least {shows:.1} percent."
            ),
        });
        words.push_str(&match meaning.below {
            Some(below) => format!(
                " With a confidence of {} percent, fewer than {below} of the {items} are.",
                self.confidence
            ),
            None => " The sample speaks against no share of wrong items.".to_owned(),
        });
        words.push_str(&format!(
            " Withholding: {faulty} validator(s), the most that the network tolerates, and {} draw(s) of this root multiply the probability of any outcome by at most {}; in that worst case",
            self.checked.draws.all, meaning.factor
        ));
        words.push_str(&match meaning.below_steered {
            Some(below) => format!(
                " the probability is at least {:.1} percent, and fewer than {below} are wrong with that confidence.",
                meaning.shows_steered
            ),
            None => format!(
                " the probability is at least {:.1} percent, and nothing can be said with that confidence.",
                meaning.shows_steered
            ),
        });
        if *faulty == 0 {
            words.push_str(" So few validators tolerate no fault: a single one that misbehaves can do more than this figure says.");
        }
        if self.is_open() && meaning.wrong > 0 {
            words.push_str(
                " Answers may still come; what is not answered counts as wrong until then.",
            );
        }
        words
    }

    fn chinese(&self, meaning: &Meaning) -> String {
        let (items, drawn) = (self.checked.population.count, self.checked.places.len());
        let Meaning {
            bad, faulty, shows, ..
        } = meaning;
        let share = self.share;
        let mut words = "以检查者认定已打开条目（除已指明有误者外）无误为前提：".to_owned();
        words.push_str(&match meaning.wrong {
            0 => format!(
                "若总体 {items} 项中有 {share}%（即 {bad} 项）及以上有误或无法出示，则本次抽取的 {drawn} 项中至少出现一项的概率不低于 {shows:.1}%。"
            ),
            wrong => format!(
                "所抽 {drawn} 项中有 {wrong} 项未出示或经检查有误。若总体 {items} 项中有 {share}%（即 {bad} 项）及以上如此，则样本中出现更多项的概率不低于 {shows:.1}%。"
            ),
        });
        words.push_str(&match meaning.below {
            Some(below) => format!(
                "以 {}% 的置信度，总体中有误或无法出示的少于 {below} 项。",
                self.confidence
            ),
            None => "样本不能排除任何比例的错误。".to_owned(),
        });
        words.push_str(&format!(
            "扣留输出的影响：网络所能容忍的至多 {faulty} 个验证者合谋，加上对该根哈希的 {} 次抽取，至多使任一结果的概率变为 {} 倍；在此最坏情形下，",
            self.checked.draws.all, meaning.factor
        ));
        words.push_str(&match meaning.below_steered {
            Some(below) => format!(
                "上述概率不低于 {:.1}%，且以同一置信度少于 {below} 项。",
                meaning.shows_steered
            ),
            None => format!(
                "上述概率不低于 {:.1}%，以同一置信度无法得出结论。",
                meaning.shows_steered
            ),
        });
        if *faulty == 0 {
            words.push_str("验证者过少，网络不容忍任何故障：单个作恶者的影响可超出上述倍数。");
        }
        if self.is_open() && meaning.wrong > 0 {
            words.push_str("答复期限未满，未答复者暂按有误计。");
        }
        words
    }

    /// The facts, one line each: a label and what it says.
    pub(crate) fn lines(&self, lang: Language) -> Vec<(&'static str, String)> {
        let zh = lang == Language::Zh;
        let label = |en, cn| if zh { cn } else { en };
        vec![
            (label("population", "总体"), self.population(zh)),
            (label("opened", "发起"), self.opened(zh)),
            (label("outputs", "随机输出"), self.outputs(zh)),
            (label("draw", "抽取"), self.drawn(zh)),
            (label("answers", "答复"), self.answers(zh)),
            (label("in words", "结论"), self.words(lang)),
        ]
    }

    fn population(&self, zh: bool) -> String {
        let (fixed, body) = (self.checked.population, &self.checked.opened.body);
        let (owner, handle) = (&body.owner, body.population);
        let (count, root, entry) = (fixed.count, fixed.root, fixed.fixed.index);
        let shown = self.shown(zh);
        if zh {
            format!("{owner} 的 {handle}，共 {count} 项，根 {root}，固定于第 {entry} 条；{shown}")
        } else {
            format!(
                "{handle} of {owner}, {count} items, root {root}, fixed in entry {entry}; {shown}"
            )
        }
    }

    fn shown(&self, zh: bool) -> String {
        let Some(shown) = &self.shown else {
            return match zh {
                true => "未提供条目文件，根哈希未重新计算".to_owned(),
                false => "its items were not given, so the root was not computed again".to_owned(),
            };
        };
        let (opened, again, other) = (shown.opened.len(), shown.again.len(), listed(&shown.other));
        let mut said = match (shown.whole, zh) {
            (true, false) => "the root was computed again from the items; ".to_owned(),
            (true, true) => "根哈希已由条目文件重新计算，一致；".to_owned(),
            (false, _) => String::new(),
        };
        said.push_str(&match zh {
            true => format!("已打开 {opened} 个已答复条目"),
            false => format!("{opened} answered items were opened"),
        });
        if again > 0 {
            said.push_str(&match zh {
                true => format!("；其中 {again} 个与先前条目重复，按未出示计"),
                false => format!(
                    "; {again} of them repeat an earlier item, its salt or its bytes, and count as not shown"
                ),
            });
        }
        if !other.is_empty() {
            said.push_str(&match zh {
                true => format!("；条目文件中以下抽取的条目与答复不符：{other}"),
                false => format!(
                    "; THE FILE HAS OTHER ITEMS than were answered, and they count as not shown, for draws {other}"
                ),
            });
        }
        said
    }

    fn opened(&self, zh: bool) -> String {
        let opened = self.checked.opened;
        let (opener, entry, height) = (&opened.opener, opened.at.index, opened.at.height);
        let (time, seal) = (utc(opened.at.time), opened.seal);
        let (draws, void) = (self.checked.draws.all, self.checked.draws.void);
        let Counts {
            fixed,
            inspected,
            draws: of_owner,
        } = self.checked.of_owner;
        let (all, all_void) = (of_owner.all, of_owner.void);
        if zh {
            format!(
                "{opener}，第 {entry} 条，高度 {height}，{time}，区块封印 {seal}；该根哈希共抽取 {draws} 次，其中作废 {void} 次；所有者共固定 {fixed} 个总体，其中 {inspected} 个被抽取 {all} 次，作废 {all_void} 次"
            )
        } else {
            format!(
                "by {opener} in entry {entry} at height {height}, {time}, seal {seal}; draws of this root: {draws}, of which void: {void}; of the owner's {fixed} population(s) {inspected} were drawn from, {all} time(s), of which void: {all_void}"
            )
        }
    }

    fn outputs(&self, zh: bool) -> String {
        let (given, all) = (
            self.checked.outputs.len(),
            self.checked.opened.validators.len(),
        );
        let (quorum, until) = (self.checked.quorum(), utc(self.checked.outputs_by));
        let missing: Vec<_> = self
            .checked
            .without_output()
            .map(ToString::to_string)
            .collect();
        let missing = match (missing.is_empty(), zh) {
            (true, _) => String::new(),
            (false, false) => format!("; none from {}", missing.join(", ")),
            (false, true) => format!("；缺 {}", missing.join("、")),
        };
        if zh {
            format!(
                "{all} 个验证者中的 {given} 个（法定数 {quorum}），截止 {until}，证明均成立（RFC 9381）{missing}"
            )
        } else {
            format!(
                "{given} of {all} validators (quorum {quorum}) until {until}, every proof holds (RFC 9381){missing}"
            )
        }
    }

    fn drawn(&self, zh: bool) -> String {
        let Some(seed) = self.checked.seed else {
            return match (self.draw(), zh) {
                ("void", false) => "VOID".to_owned(),
                ("void", true) => "作废".to_owned(),
                (_, false) => "waits for outputs".to_owned(),
                (_, true) => "等待随机输出".to_owned(),
            };
        };
        let places = &self.checked.places;
        let listed: Vec<_> = places
            .iter()
            .take(LISTED)
            .map(ToString::to_string)
            .collect();
        let more = if places.len() > LISTED { " …" } else { "" };
        let (count, listed) = (places.len(), listed.join(" "));
        if zh {
            format!("{count} 项，种子 {seed}：{listed}{more}")
        } else {
            format!("{count} places, seed {seed}: {listed}{more}")
        }
    }

    fn answers(&self, zh: bool) -> String {
        let (given, all) = (self.checked.answered.len(), self.checked.places.len());
        let until = utc(self.checked.opened.body.answer_by);
        let missing: Vec<_> = self.checked.unanswered().collect();
        let listed = missing.iter().take(LISTED).map(|(number, place)| {
            if zh {
                format!("第 {number} 抽（位置 {place}）")
            } else {
                format!("draw {number} (place {place})")
            }
        });
        let listed = listed
            .collect::<Vec<_>>()
            .join(if zh { "、" } else { ", " });
        let more = if missing.len() > LISTED { " …" } else { "" };
        match (missing.is_empty(), zh) {
            (true, false) => {
                format!("{given} of {all}, each the drawn item with its proof, until {until}")
            }
            (true, true) => {
                format!("{all} 项中的 {given} 项，均为所抽条目且证明成立，截止 {until}")
            }
            (false, false) => format!(
                "{given} of {all}, each the drawn item with its proof, until {until}; NOT ANSWERED: {listed}{more}"
            ),
            (false, true) => format!(
                "{all} 项中的 {given} 项，均为所抽条目且证明成立，截止 {until}；未答复：{listed}{more}"
            ),
        }
    }
}

/// Numbers of draws, as many as a line takes.
fn listed(numbers: &BTreeSet<u16>) -> String {
    let listed = numbers.iter().take(LISTED).map(ToString::to_string);
    let more = if numbers.len() > LISTED { " …" } else { "" };
    listed.collect::<Vec<_>>().join(" ") + more
}

/// A time as people write it, in UTC.
pub(crate) fn utc(time: Time) -> String {
    let seconds = i64::try_from(time.0 / 1000).unwrap_or(i64::MAX);
    let Ok(at) = OffsetDateTime::from_unix_timestamp(seconds) else {
        // Whatever an event says, it has a text.
        return format!("{time} ms after 1970");
    };
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        for (millis, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399_999, "2000-02-28 23:59:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 UTC"),
            (1_700_000_000_000, "2023-11-14 22:13:20 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(Time(millis)), text);
        }
        assert!(utc(Time(u64::MAX)).ends_with("after 1970"));
    }
}
