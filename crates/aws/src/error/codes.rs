//! Error codes of Organizations, STS, IAM and SQS, and what class each is of.

use rolekeeper_domain::fault::Category;

/// The class of an error by its code; without a known code by its status.
pub(super) fn category(code: Option<&str>, status: u16) -> Category {
    code.and_then(known).unwrap_or_else(|| by_status(status))
}

/// Every code that is classed, the table that the tests walk row by row.
pub(super) const CODES: &[(Category, &[&str])] = &[
    (
        Category::Throttled,
        &[
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottled",
            "RequestThrottledException",
            "TooManyRequestsException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "PriorRequestNotComplete",
            "SlowDown",
            "OverLimit",
            "AWS.SimpleQueueService.OverLimit",
        ],
    ),
    (
        Category::AccessDenied,
        &[
            "AccessDenied",
            "AccessDeniedException",
            "AccessDeniedForDependencyException",
            "NotAuthorized",
            "UnauthorizedOperation",
            "OptInRequired",
            "RegionDisabledException",
        ],
    ),
    (
        Category::Conflict,
        &[
            "ConcurrentModification",
            "ConcurrentModificationException",
            "EntityAlreadyExists",
            "EntityAlreadyExistsException",
            "EntityTemporarilyUnmodifiable",
            "EntityTemporarilyUnmodifiableException",
            "DeleteConflict",
            "DeleteConflictException",
            "ConflictException",
        ],
    ),
    (
        Category::Quota,
        &[
            "LimitExceeded",
            "LimitExceededException",
            "ServiceQuotaExceededException",
            "ConstraintViolationException",
        ],
    ),
    (
        Category::InvalidSpec,
        &[
            "MalformedPolicyDocument",
            "MalformedPolicyDocumentException",
            "PackedPolicyTooLarge",
            "PackedPolicyTooLargeException",
            "PolicyNotAttachable",
            "PolicyNotAttachableException",
            "UnmodifiableEntity",
            "UnmodifiableEntityException",
            "InvalidInput",
            "InvalidInputException",
            "InvalidParameterValue",
            "InvalidParameterCombination",
            "MissingParameter",
            "ValidationError",
            "ValidationException",
        ],
    ),
    (
        Category::NotFound,
        &[
            "NoSuchEntity",
            "NoSuchEntityException",
            "AccountNotFoundException",
            "AWSOrganizationsNotInUseException",
            "OrganizationalUnitNotFoundException",
            "ParentNotFoundException",
            "TargetNotFoundException",
            "PolicyNotFoundException",
            "ResourceNotFoundException",
            "QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue",
        ],
    ),
    (
        Category::Credentials,
        &[
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "AuthFailure",
            "InvalidToken",
            "InvalidIdentityToken",
            "InvalidIdentityTokenException",
            "RequestExpired",
        ],
    ),
    (
        Category::Timeout,
        &["RequestTimeout", "RequestTimeoutException"],
    ),
    (
        Category::Service,
        &[
            "InternalFailure",
            "InternalError",
            "InternalServerError",
            "InternalServiceError",
            "ServiceException",
            "ServiceFailure",
            "ServiceFailureException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
    ),
];

fn known(code: &str) -> Option<Category> {
    // Some services prefix the code with a namespace and a `#`.
    let code = code.rsplit('#').next().unwrap_or(code);
    CODES
        .iter()
        .find(|(_, codes)| codes.contains(&code))
        .map(|(category, _)| *category)
}

fn by_status(status: u16) -> Category {
    match status {
        401 | 403 | 407 => Category::AccessDenied,
        404 => Category::NotFound,
        408 | 504 => Category::Timeout,
        409 => Category::Conflict,
        429 => Category::Throttled,
        500.. => Category::Service,
        // A 400 that AWS does not explain: rolekeeper sent something it should not have.
        _ => Category::Internal,
    }
}
