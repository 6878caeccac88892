//! The card on paper: its QR code, and a page to print.
//!
//! What always holds: nothing of the patient is on it but the sealed key: no name, no number, no PIN.
//! The page is one file that loads nothing.

use super::{Card, CardError};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use zeroize::Zeroizing;

const STYLE: &str = "body{font:11pt/1.5 sans-serif;margin:15mm}figure{margin:0;width:70mm}svg{width:70mm;height:70mm}\
figcaption{font:7pt/1.3 monospace;word-break:break-all}section{max-width:120mm}";

const CHINESE: &str = "凭此卡和密码，可以查看谁打开过您的健康档案。密码不要写在卡上，也不要和卡放在一起。\
拿到卡或其照片的人可以在自己的机器上不限次数地试密码，没有人能够察觉。卡丢失后，请立即到医院更换。";
const ENGLISH: &str = "With this card and your PIN you can see who opened your health records. Do not write the PIN on the card or keep it \
with the card. Whoever has the card, or a picture of it, can try PINs on their own machine without limit, and nobody will notice. \
If you lose the card, have the hospital replace it at once.";

impl Card {
    /// The QR code as SVG, with its quiet zone; a quarter of it may be unreadable.
    ///
    /// # Errors
    /// [`CardError::Machine`] should the code not be drawn.
    pub fn to_svg(&self) -> Result<Zeroizing<String>, CardError> {
        let code = QrCode::with_error_correction_level(self.to_text().as_bytes(), EcLevel::Q);
        let code =
            code.map_err(|_| CardError::Machine("the QR code could not be drawn; report this"))?;
        let drawn = Zeroizing::new(
            code.render::<svg::Color<'_>>()
                .module_dimensions(4, 4)
                .build(),
        );
        // Inside a page there is no XML declaration.
        let from = drawn.find("<svg").unwrap_or_default();
        Ok(Zeroizing::new(
            drawn.get(from..).unwrap_or_default().to_owned(),
        ))
    }

    /// A page to print, in Chinese and English (HTML, complete in itself).
    ///
    /// # Errors
    /// As [`Card::to_svg`].
    pub fn to_page(&self) -> Result<Zeroizing<String>, CardError> {
        let (svg, text) = (self.to_svg()?, self.to_text());
        let parts = [
            "<!doctype html><html lang=\"zh\"><head><meta charset=\"utf-8\"><title>Medanchor</title><style>",
            STYLE,
            "</style></head><body><h1>患者卡 · Patient card</h1><figure>",
            &svg,
            "<figcaption>",
            &text,
            "</figcaption></figure><section><p>",
            CHINESE,
            "</p><p lang=\"en\">",
            ENGLISH,
            "</p></section></body></html>\n",
        ];
        // One piece of the right size, so that no copy is left behind by growing.
        let mut page = Zeroizing::new(String::with_capacity(
            parts.iter().map(|part| part.len()).sum(),
        ));
        parts.iter().for_each(|part| page.push_str(part));
        Ok(page)
    }
}
