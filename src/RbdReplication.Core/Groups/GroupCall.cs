namespace RbdReplication.Core;

/// <summary>What is asked for a group.</summary>
public enum GroupCall
{
    /// <summary>CreateVolumeGroup.</summary>
    Create,

    /// <summary>ModifyVolumeGroupMembership.</summary>
    Modify,

    /// <summary>EnableVolumeReplication.</summary>
    Enable,

    /// <summary>DisableVolumeReplication.</summary>
    Disable,

    /// <summary>PromoteVolume.</summary>
    Promote,

    /// <summary>DemoteVolume.</summary>
    Demote,

    /// <summary>ResyncVolume.</summary>
    Resync,

    /// <summary>GetVolumeReplicationInfo.</summary>
    GetInfo,
}
