"""The fields of voluntary service: what activities are of, and what people offer to do."""

from enum import StrEnum


class Category(StrEnum):
    """The fields of voluntary service, after the list in Henan's regulation (河南省志愿服务条例)."""

    POVERTY_RELIEF = "poverty_relief"
    ELDERLY_CARE = "elderly_care"
    CHILD_CARE = "child_care"
    DISABILITY_SUPPORT = "disability_support"
    EDUCATION_SUPPORT = "education_support"
    HEALTH_CARE = "health_care"
    CULTURE_AND_SPORTS = "culture_and_sports"
    SCIENCE_POPULARIZATION = "science_popularization"
    LEGAL_SERVICE = "legal_service"
    ENVIRONMENT_PROTECTION = "environment_protection"
    COMMUNITY_SERVICE = "community_service"
    PUBLIC_SAFETY = "public_safety"
    TRAFFIC_GUIDANCE = "traffic_guidance"
    EMERGENCY_RELIEF = "emergency_relief"
    LARGE_EVENT = "large_event"
    CIVILITY_PROMOTION = "civility_promotion"
