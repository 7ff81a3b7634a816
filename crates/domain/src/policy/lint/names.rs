//! Names that AWS gives: service prefixes, and the actions of the services
//! that this program deals with.

/// Prefixes of AWS services in actions, one to a word. The list need not be
/// complete: what is not in it is asked about, not refused.
const SERVICES: &str = "
a2c a4b access-analyzer account account-access aco-automation acm acm-pca action-recommendations activate agent-registry aidevops aiops airflow airflow-serverless amplify amplifybackend
amplifyuibuilder aoss apigateway apigatewayv2 app-integrations appconfig appfabric appflow application-autoscaling
application-cost-profiler application-signals application-transformation applicationinsights applicationwizard appmesh
appmesh-preview apprunner appstream appstudio appsync apptest aps arc-region-switch arc-zonal-shift arsenal artifact
athena auditmanager autoscaling aws-external-anthropic autoscaling-plans aws-marketplace aws-marketplace-management aws-portal awsconnector
b2bi backup backup-gateway backup-search backup-storage batch bcm-dashboards bcm-data-exports bcm-pricing-calculator
bcm-recommended-actions bedrock bedrock-agentcore bedrock-mantle bedrock-websearch billing billingconductor braket budgets bugbust
builderid cases cassandra catalog-admin catalog-user ce chatbot chime cleanrooms cleanrooms-ml cloud9 clouddirectory cloudformation cloudfront
cloudfront-keyvaluestore cloudhsm cloudsearch cloudshell cloudtrail cloudtrail-data cloudwatch codeartifact codebuild
codecatalyst codecommit codeconnections codedeploy codedeploy-commands-secure codeguru codeguru-profiler
codeguru-reviewer codeguru-security codepipeline codestar codestar-connections codestar-notifications codewhisperer
cognito-identity cognito-idp cognito-sync comprehend comprehendmedical compute-optimizer config connect
connect-campaigns connect-contact-lens consoleapp consolidatedbilling controlcatalog controltower
cost-optimization-hub crowd cur customer-verification databrew dataexchange datapipeline datasync datazone datazonecontrol dax dbqms
deadline deepcomposer deeplens deepracer detective devicefarm devops-guru directconnect discovery dlm dms docdb-elastic
drs ds ds-data dsql dynamodb ebs ec2 ec2-instance-connect ec2-reports ec2messages ecr ecr-public ecs eks eks-auth eks-mcp elastic-inference
elasticache elasticbeanstalk elasticfilesystem elasticloadbalancing elasticmapreduce elastictranscoder
elemental-activations elemental-appliances-software elemental-inference elemental-support-cases
elemental-support-content emr-containers emr-serverless entityresolution es events eventsbilltoaws evidently evs execute-api finops-agent finspace
finspace-api firehose fis fms forecast frauddetector freertos freetier fsx gamelift gameliftstreams geo geo-maps
geo-places geo-routes glacier globalaccelerator glue grafana greengrass groundstation groundtruthlabeling guardduty
health healthlake honeycode iam identity-sync identitystore identitystore-auth imagebuilder importexport inspector
inspector-scan inspector2 inspector2-telemetry internetmonitor interconnect invoicing iot iot-device-tester iot1click iotanalytics
iotdeviceadvisor iotevents iotfleethub iotfleetwise iotjobsdata iotmanagedintegrations iotroborunner iotsitewise
iottwinmaker iotwireless iq iq-permission ivs ivschat kafka kafka-cluster kafkaconnect kendra kendra-ranking kinesis
kinesisanalytics kinesisvideo kms lakeformation lambda launchwizard lex license-manager license-manager-linux-subscriptions
license-manager-user-subscriptions lightsail logs lookoutequipment lookoutmetrics lookoutvision m2 machinelearning
macie2 managedblockchain managedblockchain-query mapcredits marketplacecommerceanalytics mechanicalturk mediaconnect
mediaconvert mediaimport medialive mediapackage mediapackage-vod mediapackagev2 mediastore mediatailor medical-imaging
memorydb mgh mgn migrationhub-orchestrator migrationhub-strategy mobileanalytics mobilehub mobiletargeting monitron mpa
mq neptune-db neptune-graph network-firewall network-security-director networkflowmonitor networkmanager
networkmanager-chat networkmonitor nimble notifications notifications-contacts nova-act oam observabilityadmin odb omics
one opensearch opsworks opsworks-cm organizations osis outposts panorama partnercentral partnercentral-account-management payment-cryptography payments
pca-connector-ad pca-connector-scep pcs personalize pi pipes polly pricing pricingplanmanager private-networks profile
proton purchase-orders q qapps qbusiness qdeveloper qldb quicksight ram rbin rds rds-data rds-db redshift redshift-data
redshift-serverless refactor-spaces rekognition repostspace researchstudio resiliencehub resource-explorer resource-explorer-2
resource-groups rhelkb robomaker rolesanywhere route53 route53-recovery-cluster route53-recovery-control-config
route53-recovery-readiness route53domains route53globalresolver route53profiles route53resolver rtbfabric rum s3
s3-object-lambda s3-outposts s3express s3files s3tables s3vectors sagemaker sagemaker-data-science-assistant sagemaker-groundtruth-synthetic
sagemaker-geospatial sagemaker-mlflow sagemaker-unified-studio-mcp savingsplans scheduler schemas scn sdb secretsmanager
security-ir securityagent securityhub securitylake serverlessrepo servicecatalog servicediscovery serviceextract
servicequotas ses shield signer signin simpledb simspaceweaver sms sms-voice snow-device-management snowball
social-messaging sns sqlworkbench sqs ssm ssm-contacts ssm-guiconnect ssm-incidents ssm-quicksetup ssm-sap ssmmessages
sso sso-directory sso-oauth states storagegateway sts support support-console supportapp supportplans supportrecommendations
sumerian sustainability swf synthetics tag tax textract thinclient timestream timestream-influxdb tiros tnb transcribe transfer
transform transform-custom translate trustedadvisor ts user-subscriptions uxc vendor-insights verified-access
verifiedpermissions voiceid vpc-lattice vpc-lattice-svcs vpce waf waf-regional wafv2 wam wellarchitected wickr wisdom
workdocs worklink workmail workmailmessageflow workspaces workspaces-instances workspaces-web xray zocalo
";

/// Actions of IAM.
const IAM: &str = "
AcceptDelegationRequest AddClientIDToOpenIDConnectProvider AddRoleToInstanceProfile AddUserToGroup
AssociateDelegationRequest AttachGroupPolicy AttachRolePolicy AttachUserPolicy ChangePassword CreateAccessKey
CreateAccountAlias CreateDelegationRequest CreateGroup CreateInstanceProfile CreateLoginProfile
CreateOpenIDConnectProvider CreatePolicy CreatePolicyVersion CreateRole CreateSAMLProvider CreateServiceLinkedRole
CreateServiceSpecificCredential CreateUser CreateVirtualMFADevice DeactivateMFADevice DeleteAccessKey
DeleteAccountAlias DeleteAccountPasswordPolicy DeleteCloudFrontPublicKey DeleteGroup DeleteGroupPolicy
DeleteInstanceProfile DeleteLoginProfile DeleteOpenIDConnectProvider DeletePolicy DeletePolicyVersion DeleteRole
DeleteRolePermissionsBoundary DeleteRolePolicy DeleteSAMLProvider DeleteSSHPublicKey DeleteServerCertificate
DeleteServiceLinkedRole DeleteServiceSpecificCredential DeleteSigningCertificate DeleteUser
DeleteUserPermissionsBoundary DeleteUserPolicy DeleteVirtualMFADevice DetachGroupPolicy DetachRolePolicy
DetachUserPolicy DisableOrganizationsRootCredentialsManagement DisableOrganizationsRootSessions
DisableOutboundWebIdentityFederation EnableMFADevice EnableOrganizationsRootCredentialsManagement
EnableOrganizationsRootSessions EnableOutboundWebIdentityFederation GenerateCredentialReport GenerateOrganizationsAccessReport GenerateServiceLastAccessedDetails GetAccessKeyLastUsed
GetAccountAuthorizationDetails GetAccountEmailAddress GetAccountName GetAccountPasswordPolicy GetAccountSummary
GetCloudFrontPublicKey GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy GetCredentialReport
GetDelegationRequest GetGroup GetGroupPolicy GetHumanReadableSummary GetInstanceProfile GetLoginProfile GetMFADevice
GetOpenIDConnectProvider GetOrganizationsAccessReport GetOutboundWebIdentityFederationInfo GetPolicy GetPolicyVersion
GetRole GetRolePolicy GetSAMLProvider GetSSHPublicKey GetServerCertificate GetServiceLastAccessedDetails
GetServiceLastAccessedDetailsWithEntities GetServiceLinkedRoleDeletionStatus GetUser GetUserPolicy ListAccessKeys
ListAccountAliases ListAttachedGroupPolicies ListAttachedRolePolicies ListAttachedUserPolicies
ListCloudFrontPublicKeys ListDelegationRequests ListEntitiesForPolicy ListGroupPolicies ListGroups ListGroupsForUser
ListInstanceProfileTags ListInstanceProfiles ListInstanceProfilesForRole ListMFADeviceTags ListMFADevices
ListOpenIDConnectProviderTags ListOpenIDConnectProviders ListOrganizationsFeatures ListPolicies
ListPoliciesGrantingServiceAccess ListPolicyTags ListPolicyVersions ListRolePolicies ListRoleTags ListRoles
ListSAMLProviderTags ListSAMLProviders ListSSHPublicKeys ListSTSRegionalEndpointsStatus ListServerCertificateTags
ListServerCertificates ListServiceSpecificCredentials ListSigningCertificates ListUserPolicies ListUserTags ListUsers
ListVirtualMFADevices PassRole PutAccountProperties PutGroupPolicy PutRolePermissionsBoundary PutRolePolicy PutUserPermissionsBoundary
PutUserPolicy RejectDelegationRequest RemoveClientIDFromOpenIDConnectProvider RemoveRoleFromInstanceProfile
RemoveUserFromGroup ResetServiceSpecificCredential ResyncMFADevice SendDelegationToken SetDefaultPolicyVersion
SetSTSRegionalEndpointStatus SetSecurityTokenServicePreferences SimulateCustomPolicy SimulatePrincipalPolicy
TagInstanceProfile TagMFADevice TagOpenIDConnectProvider TagPolicy TagRole TagSAMLProvider TagServerCertificate
TagUser UntagInstanceProfile UntagMFADevice UntagOpenIDConnectProvider UntagPolicy UntagRole UntagSAMLProvider
UntagServerCertificate UntagUser UpdateAccessKey UpdateAccountEmailAddress UpdateAccountName
UpdateAccountPasswordPolicy UpdateAssumeRolePolicy UpdateCloudFrontPublicKey UpdateDelegationRequest UpdateGroup
UpdateLoginProfile UpdateOpenIDConnectProviderThumbprint UpdateRole UpdateRoleDescription UpdateSAMLProvider
UpdateSSHPublicKey UpdateServerCertificate UpdateServiceSpecificCredential UpdateSigningCertificate UpdateUser
UploadCloudFrontPublicKey UploadSSHPublicKey UploadServerCertificate UploadSigningCertificate
";

/// Actions of STS.
const STS: &str = "
AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity AssumeRoot DecodeAuthorizationMessage GetAccessKeyInfo
GetCallerIdentity GetDelegatedAccessToken GetFederationToken GetServiceBearerToken GetSessionToken GetWebIdentityToken
SetContext SetSourceIdentity TagGetWebIdentityToken TagSession
";

/// Actions of Organizations.
const ORGANIZATIONS: &str = "
AcceptHandshake AttachPolicy CancelHandshake CloseAccount CreateAccount CreateBuilderIdOwnedAccount CreateGovCloudAccount CreateOrganization
CreateOrganizationalUnit CreatePolicy DeclineHandshake DeleteOrganization DeleteOrganizationalUnit DeletePolicy
DeleteResourcePolicy DeregisterDelegatedAdministrator DescribeAccount DescribeCreateAccountStatus
DescribeEffectivePolicy DescribeHandshake DescribeOrganization DescribeOrganizationalUnit DescribePolicy
DescribeResourcePolicy DescribeResponsibilityTransfer DetachPolicy DisableAWSServiceAccess DisablePolicyType
EnableAWSServiceAccess EnableAllFeatures EnablePolicyType InviteAccountToOrganization
InviteOrganizationToTransferResponsibility LeaveOrganization ListAWSServiceAccessForOrganization ListAccounts
ListAccountsForParent ListAccountsWithInvalidEffectivePolicy ListChildren ListCreateAccountStatus
ListDelegatedAdministrators ListDelegatedServicesForAccount ListEffectivePolicyValidationErrors
ListHandshakesForAccount ListHandshakesForOrganization ListInboundResponsibilityTransfers
ListOrganizationalUnitsForParent ListOutboundResponsibilityTransfers ListParents ListPolicies ListPoliciesForTarget
ListRoots ListTagsForResource ListTargetsForPolicy MoveAccount PutResourcePolicy RegisterDelegatedAdministrator
RemoveAccountFromOrganization TagResource TerminateResponsibilityTransfer UntagResource UpdateOrganizationalUnit
UpdatePolicy UpdateResponsibilityTransfer
";

/// Whether a service has this prefix.
pub(super) fn is_service(prefix: &str) -> bool {
    SERVICES
        .split_whitespace()
        .any(|s| s.eq_ignore_ascii_case(prefix))
}

/// The actions of a service, where they are known one by one.
pub(super) fn actions_of(prefix: &str) -> Option<impl Iterator<Item = &'static str> + Clone> {
    let names = match prefix.to_ascii_lowercase().as_str() {
        "iam" => IAM,
        "sts" => STS,
        "organizations" => ORGANIZATIONS,
        _ => return None,
    };
    Some(names.split_whitespace())
}

/// The known name nearest to a misspelled one, if it is near at all.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let limit = if name.len() < 6 { 1 } else { 3 };
    let with_distance = known.map(|k| (distance(&name, &k.to_ascii_lowercase()), k));
    with_distance
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// The service whose prefix is nearest.
pub(super) fn nearest_service(prefix: &str) -> Option<&'static str> {
    nearest(prefix, SERVICES.split_whitespace())
}

/// How many letters to change, add or leave out.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |list: &[usize], n: usize| list.get(n).copied().unwrap_or(usize::MAX / 2);
            let change = at(&row, j) + usize::from(x != *y);
            next.push(change.min(at(&row, j + 1) + 1).min(at(&next, j) + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_find_their_name() {
        let rows = [
            ("iam", "CreateUsr", Some("CreateUser")),
            ("iam", "GetRolePolicies", Some("GetRolePolicy")),
            ("iam", "LaunchRocket", None),
            ("sts", "AssumeRoleWithSaml2", Some("AssumeRoleWithSAML")),
            ("organizations", "ListAcounts", Some("ListAccounts")),
        ];
        for (service, name, wanted) in rows {
            assert_eq!(
                actions_of(service).and_then(|known| nearest(name, known)),
                wanted,
                "{name}"
            );
        }
        assert_eq!(nearest_service("dynamdb"), Some("dynamodb"));
        assert!(is_service("S3"));
        assert!(actions_of("s3").is_none());
    }
}
