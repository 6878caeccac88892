//! A PKCS#11 module for tests: it hands every call on to the module that `MEDANCHOR_PROXY_MODULE` names, and
//! misbehaves as the words of the file `MEDANCHOR_PROXY_WORDS` say, looked up at each call.
//!
//! | word | what it does |
//! |---|---|
//! | `hardware` | it says that its slots are hardware |
//! | `vanishes` | data objects can be destroyed, whatever was asked |
//! | `full` | it takes no more data objects |
//! | `keeps` | it destroys no object |
//! | `stop-before` | it never answers who sets a data object, and sets none |
//! | `stop-behind` | it sets a data object and never answers |
//!
//! Where it stops it makes the file of the words' name with `.reached`. It is compiled by the test that needs
//! it, and is the one place with unsafe code: what it stands for is a library in C.

use std::ffi::{CString, c_char, c_int, c_ulong, c_void};
use std::sync::OnceLock;
use std::time::Duration;

const RTLD_NOW: c_int = 2;
const HARDWARE_SLOT: c_ulong = 4;
const CLASS: c_ulong = 0;
const CLASS_DATA: c_ulong = 0;
const DESTROYABLE: c_ulong = 0x172;
const DEVICE_MEMORY: c_ulong = 0x31;
const GENERAL_ERROR: c_ulong = 5;
/// Places in the list of functions.
const GET_SLOT_INFO: usize = 5;
const CREATE_OBJECT: usize = 20;
const DESTROY_OBJECT: usize = 22;
/// Where the flags stand in `CK_SLOT_INFO`.
const FLAGS: usize = 96;

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `CK_FUNCTION_LIST` of version 2.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Functions {
    version: [u8; 2],
    functions: [*const c_void; 68],
}

// Pointers to functions, which are never written.
unsafe impl Send for Functions {}
unsafe impl Sync for Functions {}

#[repr(C)]
#[derive(Clone, Copy)]
struct Attribute {
    kind: c_ulong,
    value: *mut c_void,
    length: c_ulong,
}

type GetFunctionList = unsafe extern "C" fn(*mut *const Functions) -> c_ulong;
type GetSlotInfo = unsafe extern "C" fn(c_ulong, *mut u8) -> c_ulong;
type DestroyObject = unsafe extern "C" fn(c_ulong, c_ulong) -> c_ulong;
type CreateObject =
    unsafe extern "C" fn(c_ulong, *const Attribute, c_ulong, *mut c_ulong) -> c_ulong;

/// The functions of the module behind, and those that are given out.
static LISTS: OnceLock<Option<(Functions, Functions)>> = OnceLock::new();

fn load() -> Option<(Functions, Functions)> {
    let path = CString::new(std::env::var("MEDANCHOR_PROXY_MODULE").ok()?).ok()?;
    unsafe {
        let library = dlopen(path.as_ptr(), RTLD_NOW);
        if library.is_null() {
            return None;
        }
        let found = dlsym(library, c"C_GetFunctionList".as_ptr());
        if found.is_null() {
            return None;
        }
        let list: GetFunctionList = std::mem::transmute(found);
        let mut behind = std::ptr::null();
        if list(&mut behind) != 0 {
            return None;
        }
        let behind = *behind;
        let mut given = behind;
        given.functions[GET_SLOT_INFO] = get_slot_info as *const c_void;
        given.functions[CREATE_OBJECT] = create_object as *const c_void;
        given.functions[DESTROY_OBJECT] = destroy_object as *const c_void;
        Some((behind, given))
    }
}

fn lists() -> Option<&'static (Functions, Functions)> {
    LISTS.get_or_init(load).as_ref()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *const Functions) -> c_ulong {
    match lists() {
        Some((_, given)) => {
            unsafe { *list = given };
            0
        }
        None => GENERAL_ERROR,
    }
}

fn says(word: &str) -> bool {
    let path = std::env::var("MEDANCHOR_PROXY_WORDS").unwrap_or_default();
    let words = std::fs::read_to_string(path).unwrap_or_default();
    words.split_whitespace().any(|found| found == word)
}

fn stop() -> ! {
    let path = std::env::var("MEDANCHOR_PROXY_WORDS").unwrap_or_default();
    let _ = std::fs::write(format!("{path}.reached"), b"");
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

unsafe extern "C" fn get_slot_info(slot: c_ulong, info: *mut u8) -> c_ulong {
    let Some((behind, _)) = lists() else {
        return GENERAL_ERROR;
    };
    unsafe {
        let call: GetSlotInfo = std::mem::transmute(behind.functions[GET_SLOT_INFO]);
        let answer = call(slot, info);
        if answer == 0 && says("hardware") {
            let flags = info.add(FLAGS).cast::<c_ulong>();
            flags.write_unaligned(flags.read_unaligned() | HARDWARE_SLOT);
        }
        answer
    }
}

unsafe extern "C" fn destroy_object(session: c_ulong, object: c_ulong) -> c_ulong {
    match lists() {
        Some((behind, _)) if !says("keeps") => unsafe {
            let call: DestroyObject = std::mem::transmute(behind.functions[DESTROY_OBJECT]);
            call(session, object)
        },
        _ => GENERAL_ERROR,
    }
}

unsafe extern "C" fn create_object(
    session: c_ulong,
    template: *const Attribute,
    count: c_ulong,
    object: *mut c_ulong,
) -> c_ulong {
    let Some((behind, _)) = lists() else {
        return GENERAL_ERROR;
    };
    unsafe {
        let call: CreateObject = std::mem::transmute(behind.functions[CREATE_OBJECT]);
        let asked = std::slice::from_raw_parts(template, count as usize);
        let is_data = |one: &Attribute| {
            one.kind == CLASS && one.value.cast::<c_ulong>().read_unaligned() == CLASS_DATA
        };
        if !asked.iter().any(is_data) {
            return call(session, template, count, object);
        }
        if says("full") {
            return DEVICE_MEMORY;
        }
        if says("stop-before") {
            stop();
        }
        let mut template = asked.to_vec();
        template.retain(|one| one.kind != DESTROYABLE || !says("vanishes"));
        let answer = call(
            session,
            template.as_ptr(),
            template.len() as c_ulong,
            object,
        );
        if says("stop-behind") {
            stop();
        }
        answer
    }
}
