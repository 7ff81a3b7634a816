variable "role_name" {
  description = "The name of the role that rolekeeper runs as."
  type        = string
  default     = "rolekeeper"
}

variable "trust" {
  description = <<-EOT
    Who may take the role. `service`: ec2.amazonaws.com, ecs-tasks.amazonaws.com, pods.eks.amazonaws.com or
    rolesanywhere.amazonaws.com, which needs `trust_anchor_arn` and `common_name`: the one common name of the
    certificate that may take the role. `oidc`: an IAM OIDC provider (IRSA, a CI system) and the one subject of it.
    Exactly one of the two.
  EOT
  type = object({
    service          = optional(string)
    trust_anchor_arn = optional(string)
    common_name      = optional(string)
    oidc = optional(object({
      provider_arn = string
      provider     = string
      subject      = string
      audience     = optional(string, "sts.amazonaws.com")
    }))
  })
  default = { service = "ec2.amazonaws.com" }

  validation {
    condition     = (var.trust.service == null) != (var.trust.oidc == null)
    error_message = "Give either trust.service or trust.oidc."
  }

  validation {
    condition     = (var.trust.service == "rolesanywhere.amazonaws.com") == (var.trust.trust_anchor_arn != null)
    error_message = "trust.trust_anchor_arn belongs to rolesanywhere.amazonaws.com."
  }

  validation {
    condition     = (var.trust.service == "rolesanywhere.amazonaws.com") == (var.trust.common_name != null)
    error_message = "trust.common_name belongs to rolesanywhere.amazonaws.com: else every certificate of the trust anchor may take the role."
  }
}

variable "hub_policy_json" {
  description = "What the role may do: the output of `rolekeeper iam-policy hub`. Null: for rolekeeper's defaults, and with admin_role that role in place of OrganizationAccountAccessRole and AWSControlTowerExecution."
  type        = string
  default     = null
}

variable "admin_role" {
  description = <<-EOT
    Put a dedicated admin role into every account below these organizational units, by a StackSet; null to use
    OrganizationAccountAccessRole or AWSControlTowerExecution, which the hub may assume only then. Name it alone in
    aws.admin_roles. `writes`: "repair", "audit" or "repair-and-rollback".
  EOT
  type = object({
    organizational_unit_ids = list(string)
    name                    = optional(string, "rolekeeper-admin")
    managed_role_name       = optional(string, "CloudCoreoAssumedRolePolicy")
    managed_policy_name     = optional(string, "CloudCoreoAssumedRolePolicy")
    writes                  = optional(string, "repair")
    delegated_administrator = optional(bool, false)
  })
  default = null
}

variable "events" {
  description = <<-EOT
    Learn of new accounts and changed roles within a minute; null for the schedule alone. Needs us-east-1. rolekeeper writes
    on an event only with schedule.mode = "repair", what was agreed to for all accounts (`rolekeeper apply`, answered
    with yes), and once the account has an admin role.
  EOT
  type = object({
    organization_id = string
    queue_name      = optional(string, "rolekeeper-events")
  })
  default = null
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = {}
}
