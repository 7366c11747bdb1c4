namespace RbdReplication.Kubernetes.Groups;

/// <summary>The part of a VolumeGroupReplicationClass that says where its groups are, and with which credentials.</summary>
/// <param name="Name"><c>metadata.name</c>.</param>
/// <param name="Attributes">What its parameters say of the place; null without a pool.</param>
/// <param name="Secret">The Secret that its parameters name; null if they name none.</param>
public sealed record VolumeGroupClass(string Name, VolumeGroupAttributes? Attributes, ObjectName? Secret);
