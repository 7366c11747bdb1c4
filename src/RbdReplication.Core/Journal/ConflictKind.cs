namespace RbdReplication.Core;

/// <summary>What of a volume's entries belongs to another volume.</summary>
public enum ConflictKind
{
    /// <summary>The directory's entry is no volume's uuid.</summary>
    EntryIsUnreadable,

    /// <summary>The directory maps the PV's name to a volume of another uuid.</summary>
    NameIsTaken,

    /// <summary>The volume's object is that of a PV of another name.</summary>
    UuidIsTaken,

    /// <summary>The volume's object names another image.</summary>
    ImageDiffers,

    /// <summary>The volume's object records another encryption or another journal pool.</summary>
    AttributesDiffer,
}
