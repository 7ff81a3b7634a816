# The role that rolekeeper runs as; for an admin role in each account and for
# events, the very templates of ../cloudformation, so that there is one of each.

data "aws_partition" "this" {}

data "aws_caller_identity" "this" {}

locals {
  # The policies are printed for the partition `aws`.
  printed_hub_policy = jsondecode(replace(
    file("${path.module}/../policies/hub.json"),
    "arn:aws:",
    "arn:${data.aws_partition.this.partition}:",
  ))

  # With a dedicated admin role the administrators that AWS made may not be assumed any more.
  default_hub_policy = jsonencode({
    Version = local.printed_hub_policy.Version
    Statement = [
      for statement in local.printed_hub_policy.Statement : statement
      if var.admin_role == null || !contains(flatten([statement.Action]), "sts:AssumeRole")
    ]
  })

  # What the policy `rolekeeper-admin-role` allows in their place.
  admin_role_arn = var.admin_role == null ? null : "arn:${data.aws_partition.this.partition}:iam::*:role/${var.admin_role.name}"

  tags_session = contains(["pods.eks.amazonaws.com", "rolesanywhere.amazonaws.com"], coalesce(var.trust.service, "none"))
}

data "aws_iam_policy_document" "trust" {
  dynamic "statement" {
    for_each = var.trust.service == null ? [] : [var.trust.service]

    content {
      actions = concat(
        ["sts:AssumeRole"],
        local.tags_session ? ["sts:TagSession"] : [],
        var.trust.trust_anchor_arn == null ? [] : ["sts:SetSourceIdentity"],
      )

      principals {
        type        = "Service"
        identifiers = [statement.value]
      }

      dynamic "condition" {
        for_each = var.trust.trust_anchor_arn == null ? [] : [var.trust.trust_anchor_arn]

        content {
          test     = "ArnEquals"
          variable = "aws:SourceArn"
          values   = [condition.value]
        }
      }

      # The anchor signs more certificates than this one.
      dynamic "condition" {
        for_each = var.trust.common_name == null ? [] : [var.trust.common_name]

        content {
          test     = "StringEquals"
          variable = "aws:PrincipalTag/x509Subject/CN"
          values   = [condition.value]
        }
      }

      dynamic "condition" {
        for_each = statement.value == "pods.eks.amazonaws.com" ? [data.aws_caller_identity.this.account_id] : []

        content {
          test     = "StringEquals"
          variable = "aws:SourceAccount"
          values   = [condition.value]
        }
      }
    }
  }

  dynamic "statement" {
    for_each = var.trust.oidc == null ? [] : [var.trust.oidc]

    content {
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type        = "Federated"
        identifiers = [statement.value.provider_arn]
      }

      condition {
        test     = "StringEquals"
        variable = "${statement.value.provider}:sub"
        values   = [statement.value.subject]
      }

      condition {
        test     = "StringEquals"
        variable = "${statement.value.provider}:aud"
        values   = [statement.value.audience]
      }
    }
  }
}

resource "aws_iam_role" "hub" {
  name               = var.role_name
  description        = "What rolekeeper runs as"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  tags               = var.tags
}

resource "aws_iam_role_policy" "hub" {
  name   = "rolekeeper"
  role   = aws_iam_role.hub.id
  policy = coalesce(var.hub_policy_json, local.default_hub_policy)
}

resource "aws_iam_role_policy" "admin_role" {
  count = var.admin_role == null ? 0 : 1

  name = "rolekeeper-admin-role"
  role = aws_iam_role.hub.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["sts:AssumeRole", "sts:SetSourceIdentity"]
      Resource = local.admin_role_arn
    }]
  })
}

resource "aws_iam_role_policy" "events" {
  count = var.events == null ? 0 : 1

  name = "rolekeeper-events"
  role = aws_iam_role.hub.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = [
        "sqs:ChangeMessageVisibility",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ReceiveMessage",
      ]
      Resource = aws_cloudformation_stack.events[0].outputs["QueueArn"]
    }]
  })
}

resource "aws_iam_instance_profile" "hub" {
  count = var.trust.service == "ec2.amazonaws.com" ? 1 : 0

  name = var.role_name
  role = aws_iam_role.hub.name
  tags = var.tags
}

resource "aws_cloudformation_stack_set" "admin_role" {
  count = var.admin_role == null ? 0 : 1

  name             = "rolekeeper-admin"
  description      = "The role with which rolekeeper works in each account"
  permission_model = "SERVICE_MANAGED"
  call_as          = var.admin_role.delegated_administrator ? "DELEGATED_ADMIN" : "SELF"
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  template_body    = file("${path.module}/../cloudformation/admin-role.yaml")
  tags             = var.tags

  parameters = {
    HubRoleArn        = aws_iam_role.hub.arn
    RoleName          = var.admin_role.name
    ManagedRoleName   = var.admin_role.managed_role_name
    ManagedPolicyName = var.admin_role.managed_policy_name
    Writes            = var.admin_role.writes
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  lifecycle {
    # Service-managed stack sets get this from AWS, and would differ for ever.
    ignore_changes = [administration_role_arn]
  }
}

data "aws_region" "this" {}

resource "aws_cloudformation_stack_set_instance" "admin_role" {
  count = var.admin_role == null ? 0 : 1

  stack_set_name = aws_cloudformation_stack_set.admin_role[0].name
  region         = data.aws_region.this.name
  call_as        = var.admin_role.delegated_administrator ? "DELEGATED_ADMIN" : "SELF"

  deployment_targets {
    organizational_unit_ids = var.admin_role.organizational_unit_ids
  }
}

resource "aws_cloudformation_stack" "events" {
  count = var.events == null ? 0 : 1

  name          = "rolekeeper-events"
  template_body = file("${path.module}/../cloudformation/events.yaml")
  tags          = var.tags

  parameters = {
    OrganizationId = var.events.organization_id
    QueueName      = var.events.queue_name
  }
}
