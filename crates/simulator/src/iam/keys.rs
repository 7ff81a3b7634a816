//! What a user can prove itself with: access keys, a password, devices,
//! certificates.

use std::sync::Arc;

use crate::ask::Ask;
use crate::call::ApiError;
use crate::iam::rules::{date, page, violates};
use crate::iam::state::{AccessKey, Iam};
use crate::iam::users::{find, find_mut};
use crate::seed::{unique_id, word};
use crate::xml::Xml;

type Done = Result<(), ApiError>;

/// The most access keys of a user.
const KEYS: usize = 2;

pub(crate) fn create(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let user = find_mut(ask, iam)?;
    if user.keys.len() >= KEYS {
        return Err(ApiError::quota(format!(
            "Cannot exceed quota for AccessKeysPerUser: {KEYS}"
        )));
    }
    let id: Arc<str> = unique_id("AKIA", 16, ask.fresh("access key")).into();
    user.keys.push(AccessKey {
        id: Arc::clone(&id),
        active: true,
        created: ask.seconds(),
    });
    xml.element("AccessKey", |xml| {
        xml.leaf("UserName", &user.entity.name);
        xml.leaf("AccessKeyId", &id);
        xml.leaf("Status", "Active");
        xml.leaf("SecretAccessKey", &ask.world.credentials.secret(&id));
        xml.plain("CreateDate", date(ask.seconds()));
    });
    // The key opens nothing before the user has it, so this may come first.
    ask.world
        .credentials
        .add_user_key(id, ask.account, Arc::clone(&user.entity.name));
    Ok(())
}

fn no_such_key(id: &str) -> ApiError {
    ApiError::no_such(format!("The Access Key with id {id} cannot be found."))
}

pub(crate) fn list(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let user = find(ask, iam)?;
    let page = page(ask, &user.keys)?;
    xml.list("AccessKeyMetadata", page.items, |xml, key| {
        xml.leaf("UserName", &user.entity.name);
        xml.leaf("AccessKeyId", &key.id);
        xml.leaf("Status", if key.active { "Active" } else { "Inactive" });
        xml.plain("CreateDate", date(key.created));
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn update(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let (id, status) = (ask.need("AccessKeyId")?, ask.need("Status")?);
    if !matches!(status, "Active" | "Inactive") {
        return Err(violates(
            "status",
            status,
            "Member must satisfy enum value set: [Active, Inactive]",
        ));
    }
    let user = find_mut(ask, iam)?;
    let key = user
        .keys
        .iter_mut()
        .find(|key| *key.id == *id)
        .ok_or_else(|| no_such_key(id))?;
    key.active = status == "Active";
    Ok(())
}

pub(crate) fn delete(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let id = ask.need("AccessKeyId")?;
    let user = find_mut(ask, iam)?;
    let before = user.keys.len();
    user.keys.retain(|key| *key.id != *id);
    if user.keys.len() == before {
        Err(no_such_key(id))
    } else {
        Ok(())
    }
}

pub(crate) fn last_used(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let id = ask.need("AccessKeyId")?;
    let owner = iam
        .users
        .iter()
        .find(|user| user.keys.iter().any(|key| *key.id == *id));
    let owner = owner.ok_or_else(|| no_such_key(id))?;
    xml.leaf("UserName", &owner.entity.name);
    xml.element("AccessKeyLastUsed", |xml| match ask.world.last_used(id) {
        Some((at, service, region)) => {
            xml.plain("LastUsedDate", date(at));
            xml.leaf("ServiceName", service);
            xml.leaf("Region", &region);
        }
        None => {
            xml.leaf("ServiceName", "N/A");
            xml.leaf("Region", "N/A");
        }
    });
    Ok(())
}

pub(crate) fn create_login_profile(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    ask.need("Password")?;
    let user = find_mut(ask, iam)?;
    if user.login_profile.is_some() {
        return Err(ApiError::exists(format!(
            "Login Profile for user {} already exists.",
            user.entity.name
        )));
    }
    user.login_profile = Some(ask.seconds());
    write_login_profile(xml, &user.entity.name, ask.seconds());
    Ok(())
}

fn write_login_profile(xml: &mut Xml, name: &str, created: i64) {
    xml.element("LoginProfile", |xml| {
        xml.leaf("UserName", name);
        xml.plain("CreateDate", date(created));
        xml.plain("PasswordResetRequired", false);
    });
}

fn no_login_profile(name: &str) -> ApiError {
    ApiError::no_such(format!("Login Profile for User {name} cannot be found."))
}

pub(crate) fn login_profile(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let user = find(ask, iam)?;
    let created = user
        .login_profile
        .ok_or_else(|| no_login_profile(&user.entity.name))?;
    write_login_profile(xml, &user.entity.name, created);
    Ok(())
}

pub(crate) fn delete_login_profile(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let user = find_mut(ask, iam)?;
    user.login_profile
        .take()
        .map(drop)
        .ok_or_else(|| no_login_profile(&user.entity.name))
}

pub(crate) fn list_mfa(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let user = find(ask, iam)?;
    let page = page(ask, &user.mfa)?;
    xml.list("MFADevices", page.items, |xml, (serial, since)| {
        xml.leaf("UserName", &user.entity.name);
        xml.leaf("SerialNumber", serial);
        xml.plain("EnableDate", date(*since));
    });
    page.write_end(xml);
    Ok(())
}

pub(crate) fn enable_mfa(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let serial = ask.need("SerialNumber")?;
    let user = find_mut(ask, iam)?;
    if user.mfa.iter().any(|(known, _)| **known == *serial) {
        return Err(ApiError::exists(format!(
            "MFA Device {serial} is already in use"
        )));
    }
    user.mfa.push((serial.into(), ask.seconds()));
    Ok(())
}

pub(crate) fn deactivate_mfa(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let serial = ask.need("SerialNumber")?;
    let user = find_mut(ask, iam)?;
    let before = user.mfa.len();
    user.mfa.retain(|(known, _)| **known != *serial);
    if user.mfa.len() == before {
        return Err(ApiError::no_such(format!(
            "MFA Device invalid for user: {serial}"
        )));
    }
    Ok(())
}

pub(crate) fn list_certificates(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let user = find(ask, iam)?;
    xml.list("Certificates", &user.certificates, |xml, id| {
        xml.leaf("UserName", &user.entity.name);
        xml.leaf("CertificateId", id);
        xml.leaf(
            "CertificateBody",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        );
        xml.leaf("Status", "Active");
        xml.plain("UploadDate", date(user.entity.created));
    });
    xml.plain("IsTruncated", false);
    Ok(())
}

pub(crate) fn upload_certificate(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let body = ask.need("CertificateBody")?;
    let user = find_mut(ask, iam)?;
    let id: Arc<str> = unique_id("", 24, word(body)).into();
    user.certificates.push(Arc::clone(&id));
    xml.element("Certificate", |xml| {
        xml.leaf("UserName", &user.entity.name);
        xml.leaf("CertificateId", &id);
        xml.leaf("CertificateBody", body);
        xml.leaf("Status", "Active");
        xml.plain("UploadDate", date(ask.seconds()));
    });
    Ok(())
}

pub(crate) fn delete_certificate(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let id = ask.need("CertificateId")?;
    let user = find_mut(ask, iam)?;
    remove(&mut user.certificates, id, "Certificate")
}

pub(crate) fn list_ssh_keys(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let user = find(ask, iam)?;
    xml.list("SSHPublicKeys", &user.ssh_keys, |xml, id| {
        xml.leaf("UserName", &user.entity.name);
        xml.leaf("SSHPublicKeyId", id);
        xml.leaf("Status", "Active");
        xml.plain("UploadDate", date(user.entity.created));
    });
    xml.plain("IsTruncated", false);
    Ok(())
}

pub(crate) fn upload_ssh_key(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let body = ask.need("SSHPublicKeyBody")?;
    let user = find_mut(ask, iam)?;
    let id: Arc<str> = unique_id("APKA", 17, word(body)).into();
    user.ssh_keys.push(Arc::clone(&id));
    xml.element("SSHPublicKey", |xml| {
        xml.leaf("UserName", &user.entity.name);
        xml.leaf("SSHPublicKeyId", &id);
        xml.leaf(
            "Fingerprint",
            "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00",
        );
        xml.leaf("SSHPublicKeyBody", body);
        xml.leaf("Status", "Active");
        xml.plain("UploadDate", date(ask.seconds()));
    });
    Ok(())
}

pub(crate) fn delete_ssh_key(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let id = ask.need("SSHPublicKeyId")?;
    let user = find_mut(ask, iam)?;
    remove(&mut user.ssh_keys, id, "SSH Public Key")
}

fn remove(ids: &mut Vec<Arc<str>>, id: &str, what: &str) -> Done {
    let before = ids.len();
    ids.retain(|known| **known != *id);
    if ids.len() == before {
        return Err(ApiError::no_such(format!(
            "The {what} with id {id} cannot be found."
        )));
    }
    Ok(())
}

pub(crate) fn list_service_credentials(ask: &Ask<'_>, iam: &Iam, xml: &mut Xml) -> Done {
    let user = find(ask, iam)?;
    xml.list(
        "ServiceSpecificCredentials",
        &user.service_credentials,
        |xml, (id, service)| {
            write_service_credential(xml, &user.entity.name, id, service, user.entity.created);
        },
    );
    xml.plain("IsTruncated", false);
    Ok(())
}

fn write_service_credential(xml: &mut Xml, user: &str, id: &str, service: &str, created: i64) {
    xml.leaf("UserName", user);
    xml.leaf("Status", "Active");
    xml.leaf("ServiceUserName", &format!("{user}-at-{service}"));
    xml.plain("CreateDate", date(created));
    xml.leaf("ServiceSpecificCredentialId", id);
    xml.leaf("ServiceName", service);
}

pub(crate) fn create_service_credential(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let service = ask.need("ServiceName")?;
    let user = find_mut(ask, iam)?;
    let id: Arc<str> = unique_id("ACCA", 17, ask.fresh(service)).into();
    user.service_credentials
        .push((Arc::clone(&id), service.into()));
    xml.element("ServiceSpecificCredential", |xml| {
        write_service_credential(xml, &user.entity.name, &id, service, ask.seconds());
        xml.leaf("ServicePassword", &ask.world.credentials.secret(&id));
    });
    Ok(())
}

pub(crate) fn delete_service_credential(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let id = ask.need("ServiceSpecificCredentialId")?;
    let user = find_mut(ask, iam)?;
    let before = user.service_credentials.len();
    user.service_credentials.retain(|(known, _)| **known != *id);
    if user.service_credentials.len() == before {
        return Err(ApiError::no_such(format!("No such credential {id} exists")));
    }
    Ok(())
}

pub(crate) fn create_virtual_mfa(ask: &Ask<'_>, iam: &mut Iam, xml: &mut Xml) -> Done {
    let name = ask.need("VirtualMFADeviceName")?;
    let serial: Arc<str> = format!("arn:aws:iam::{}:mfa/{name}", ask.account).into();
    if iam.virtual_mfa.contains(&serial) {
        return Err(ApiError::exists(
            "MFADevice entity at the same path and name already exists.",
        ));
    }
    xml.element("VirtualMFADevice", |xml| xml.leaf("SerialNumber", &serial));
    iam.virtual_mfa.push(serial);
    Ok(())
}

pub(crate) fn delete_virtual_mfa(ask: &Ask<'_>, iam: &mut Iam, _: &mut Xml) -> Done {
    let serial = ask.need("SerialNumber")?;
    if iam
        .users
        .iter()
        .any(|user| user.mfa.iter().any(|(known, _)| **known == *serial))
    {
        return Err(ApiError::conflict("MFA VirtualDevice is in use by a user."));
    }
    let before = iam.virtual_mfa.len();
    iam.virtual_mfa.retain(|known| **known != *serial);
    if iam.virtual_mfa.len() == before {
        return Err(ApiError::no_such(format!(
            "VirtualMFADevice with serial number {serial} doesn't exist."
        )));
    }
    Ok(())
}
